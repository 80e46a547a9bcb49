//! A text on its way from one JSON document into another.

use std::borrow::Cow;

use super::find_special;

/// Text that came out of a JSON string and mostly goes into another: kept as it is written, because decoding it and
/// encoding it again would cost two copies of every byte that a model says.
#[derive(Debug, Clone)]
pub enum Text<'a> {
    /// The inside of a checked JSON string, with its escapes.
    Escaped(&'a str),
    Plain(Cow<'a, str>),
}

impl<'a> Text<'a> {
    pub const EMPTY: Text<'static> = Text::Escaped("");

    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Plain(text.into())
    }

    /// Decoded. A lone surrogate, which is no Unicode, becomes the replacement character.
    pub fn decode(&self) -> Cow<'_, str> {
        match self {
            Self::Escaped(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Cow::Borrowed(inner),
            Self::Escaped(inner) => Cow::Owned(unescape(inner)),
            Self::Plain(text) => Cow::Borrowed(text),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::Escaped(inner) => inner.is_empty(),
            Self::Plain(text) => text.is_empty(),
        }
    }

    /// Whether there is nothing in it but white space.
    pub fn is_blank(&self) -> bool {
        self.decode().trim().is_empty()
    }

    /// Appends it as the inside of a JSON string.
    pub fn write_escaped(&self, out: &mut Vec<u8>) {
        match self {
            Self::Escaped(inner) => out.extend_from_slice(inner.as_bytes()),
            Self::Plain(text) => escape(text, out),
        }
    }

    /// The same text that lives as long as it is needed.
    pub fn into_owned(self) -> Text<'static> {
        match self {
            Self::Escaped(_) => Text::Plain(Cow::Owned(self.decode().into_owned())),
            Self::Plain(text) => Text::Plain(Cow::Owned(text.into_owned())),
        }
    }
}

/// By what it says, however it is written.
impl PartialEq for Text<'_> {
    fn eq(&self, other: &Text<'_>) -> bool {
        self.decode() == other.decode()
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.decode() == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.decode() == *other
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Plain(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Plain(Cow::Owned(text))
    }
}

/// Appends a text with the escapes that it needs inside a JSON string.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = find_special(bytes, from);
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        let Some(&byte) = bytes.get(at) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
            }
        }
        from = at + 1;
    }
}

fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = behind.chars();
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (character, used) = unicode(behind.get(1..).unwrap_or_default());
                out.push(character);
                rest = behind.get(1 + used..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out
}

/// The character of `XXXX` or of `XXXX\uXXXX`, and how many bytes that took.
fn unicode(digits: &str) -> (char, usize) {
    let unit = |from: usize| digits.get(from..from + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, digits.len().min(4)) };
    if let Some(character) = char::from_u32(first) {
        return (character, 4);
    }
    let second = digits.get(4..6).filter(|escape| *escape == "\\u").and_then(|_| unit(6));
    match second.filter(|low| first < 0xdc00 && (0xdc00..0xe000).contains(low)) {
        Some(low) => {
            let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
        }
        None => (char::REPLACEMENT_CHARACTER, 4),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lone_surrogates_do_not_break_a_text() {
        assert_eq!(Text::Escaped(r"a\ud83db").decode(), "a\u{fffd}b");
        assert_eq!(Text::Escaped(r"\ud83d\ud83d\ude00").decode(), "\u{fffd}😀");
        assert_eq!(Text::Escaped(r"\/\b\f").decode(), "/\u{8}\u{c}");
    }

    proptest! {
        #[test]
        fn escaped_text_reads_as_it_was(text in ".*") {
            let mut out = b"\"".to_vec();
            Text::plain(text.as_str()).write_escaped(&mut out);
            out.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.as_str());
            let inner = std::str::from_utf8(&out[1..out.len() - 1]).unwrap();
            let read = Text::Escaped(inner);
            prop_assert_eq!(read.decode(), text);
        }

        #[test]
        fn decodes_what_others_encode(text in ".*") {
            let mut encoded = String::new();
            for unit in text.encode_utf16() {
                write!(encoded, "\\u{unit:04x}").unwrap();
            }
            let read = Text::Escaped(&encoded);
            prop_assert_eq!(read.decode(), text);
        }
    }
}
