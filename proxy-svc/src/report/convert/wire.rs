//! The wire format of protocol buffers, as much of it as is needed: a field with its default value is left out.

use prost::encoding::{WireType, encode_key, encode_varint};
use uuid::Uuid;

/// Writes the fields of one message.
pub(super) struct Wire<'a>(pub(super) &'a mut Vec<u8>);

impl Wire<'_> {
    pub(super) fn number(&mut self, tag: u32, number: u64) {
        if number != 0 {
            self.optional_number(tag, Some(number));
        }
    }

    /// A field that tells zero from absent.
    pub(super) fn optional_number(&mut self, tag: u32, number: Option<u64>) {
        if let Some(number) = number {
            encode_key(tag, WireType::Varint, self.0);
            encode_varint(number, self.0);
        }
    }

    /// An `int64`: a negative one is written as its two's complement.
    pub(super) fn integer(&mut self, tag: u32, integer: i64) {
        self.number(tag, integer.cast_unsigned());
    }

    pub(super) fn enumeration(&mut self, tag: u32, value: i32) {
        self.integer(tag, i64::from(value));
    }

    pub(super) fn text(&mut self, tag: u32, text: &str) {
        if !text.is_empty() {
            self.start(tag, text.len());
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    pub(super) fn id(&mut self, tag: u32, id: &Uuid) {
        let mut text = Uuid::encode_buffer();
        self.text(tag, id.hyphenated().encode_lower(&mut text));
    }

    pub(super) fn optional_id(&mut self, tag: u32, id: Option<&Uuid>) {
        if let Some(id) = id {
            self.id(tag, id);
        }
    }

    /// A field of `length` bytes, which follow.
    pub(super) fn start(&mut self, tag: u32, length: usize) {
        encode_key(tag, WireType::LengthDelimited, self.0);
        encode_varint(length as u64, self.0);
    }

    /// A message inside: its length is known, and put before it, when its fields are written.
    pub(super) fn message<E>(
        &mut self,
        tag: u32,
        fields: impl FnOnce(&mut Wire<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let begin = self.0.len();
        fields(&mut Wire(self.0))?;
        let end = self.0.len();
        self.start(tag, end - begin);
        let head = self.0.len() - end;
        self.0[begin..].rotate_right(head);
        Ok(())
    }
}
