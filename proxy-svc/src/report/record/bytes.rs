//! Numbers, ids and texts as bytes, and back.

use std::time::Duration;

use tollgate_shared::{
    clock::UnixMicros,
    money::{Cost, Currency, Money},
};
use uuid::Uuid;

use super::Malformed;

pub(super) fn put_id(out: &mut Vec<u8>, id: &Uuid) {
    out.extend_from_slice(id.as_bytes());
}

pub(super) fn put_micros(out: &mut Vec<u8>, time: UnixMicros) {
    out.extend_from_slice(&time.to_le_bytes());
}

/// LEB128.
#[expect(clippy::cast_possible_truncation, reason = "the low seven bits are what is wanted")]
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Cut, at a character's boundary, to `bound` bytes.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str, bound: usize) {
    let text = &text[..text.floor_char_boundary(bound)];
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_number(out, u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

/// Always of the same length, because it stands at a record's end.
pub(super) fn put_cost(out: &mut Vec<u8>, cost: &Cost) {
    out.extend_from_slice(&cost.amount.micros().to_le_bytes());
    out.extend_from_slice(cost.currency.as_bytes());
}

/// What is absent takes no bytes: the flags tell.
pub(super) fn put_if<T: ?Sized>(out: &mut Vec<u8>, value: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    if let Some(value) = value {
        put(out, value);
    }
}

/// Reads what the functions above wrote; never past the end.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What [`put_cost`] wrote, off the end of what is left.
    pub(super) fn cost_at_end(&mut self) -> Result<Cost, Malformed> {
        let (rest, currency) = self.0.split_last_chunk::<3>().ok_or(Malformed)?;
        let (rest, micros) = rest.split_last_chunk::<8>().ok_or(Malformed)?;
        self.0 = rest;
        let amount = Money::from_micros(i64::from_le_bytes(*micros));
        Ok(Cost { amount, currency: Currency::from_bytes(*currency).map_err(|_| Malformed)? })
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        str::from_utf8(text).map_err(|_| Malformed)
    }

    pub(super) fn duration(&mut self) -> Result<Duration, Malformed> {
        self.number().map(Duration::from_micros)
    }

    pub(super) fn status(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.number()?).map_err(|_| Malformed)
    }

    pub(super) fn id(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    pub(super) fn micros(&mut self) -> Result<UnixMicros, Malformed> {
        self.array().map(UnixMicros::from_le_bytes)
    }
}
