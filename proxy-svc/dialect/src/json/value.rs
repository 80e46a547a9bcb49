//! A JSON value where it stands: a slice of a text that was checked before, read without a tree and without copies.

use std::borrow::Cow;

use super::{Elements, Malformed, Members, Text, count, skip_value, skip_whitespace, string};

/// A value inside a checked text. Reading it again costs a scan of its bytes, so that each level of nesting is paid
/// for once more: for the few levels that the protocols have, that is cheaper than a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a str);

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// In words for the caller of an API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl<'a> Value<'a> {
    pub const NULL: Value<'static> = Value("null");
    pub const EMPTY_OBJECT: Value<'static> = Value("{}");

    /// Checks that a text is one JSON value (of valid UTF-8, at most 127 containers deep) and nothing else.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let checked =
            std::str::from_utf8(text).map_err(|error| Malformed { at: error.valid_up_to(), what: "invalid UTF-8" })?;
        let start = skip_whitespace(text, 0);
        let end = skip_value(text, start, 0)?;
        let behind = skip_whitespace(text, end);
        if behind < text.len() {
            return Err(Malformed { at: behind, what: "something follows the value" });
        }
        Ok(Self(checked.get(start..end).unwrap_or("null")))
    }

    /// The value as it stands in the text, without whitespace around it.
    pub const fn raw(self) -> &'a str {
        self.0
    }

    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// A string, as it is written.
    pub fn text(self) -> Option<Text<'a>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text::Escaped(inner))
    }

    /// A string, decoded; `None` also when it is no valid Unicode.
    pub fn string(self) -> Option<Cow<'a, str>> {
        string(self.0.as_bytes())
    }

    pub fn boolean(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A count: a fraction is cut off, what is too large is the largest, what is negative or no number is none.
    pub fn count(self) -> Option<u64> {
        count(self.0.as_bytes())
    }

    /// A number, for comparisons; what goes on is [`Value::raw`].
    pub fn number(self) -> Option<f64> {
        if self.kind() == Kind::Number { self.0.parse().ok() } else { None }
    }

    /// The members of an object, in their order; none when it is no object. A name that is no valid Unicode comes with
    /// its escapes.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        let text = self.0;
        Members::of(text.as_bytes()).into_iter().flatten().map_while(Result::ok).filter_map(move |member| {
            let name = match member.key {
                Cow::Borrowed(name) => Cow::Borrowed(std::str::from_utf8(name).ok()?),
                Cow::Owned(name) => Cow::Owned(String::from_utf8(name).ok()?),
            };
            Some((name, Value(text.get(member.value)?)))
        })
    }

    /// The elements of an array; none when it is no array.
    pub fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let text = self.0;
        let elements = Elements::at(text.as_bytes(), 0, 0).into_iter().flatten().map_while(Result::ok);
        elements.filter_map(move |range| Some(Value(text.get(range)?)))
    }

    /// A member by its name: the last one when there are several, and never a null.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.members()
            .filter(|(found, _)| found == name)
            .last()
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_values_in_place() {
        let value = Value::parse(br#" {"a":[1,{"b":"x\ny"}],"a":null,"c":true,"d":-2.50} "#).unwrap();
        assert_eq!(value.get("a"), None);
        assert_eq!(value.get("c").and_then(Value::boolean), Some(true));
        assert_eq!(value.get("d").map(Value::raw), Some("-2.50"));
        let (_, list) = value.members().next().unwrap();
        let inner = list.elements().nth(1).unwrap().get("b").unwrap();
        assert_eq!(inner.string().unwrap(), "x\ny");
        assert_eq!(inner.text(), Some(Text::plain("x\ny")));
    }

    #[test]
    fn refuses_what_is_no_single_value() {
        for text in ["", "{", "{} {}", "nul", "\"\u{1}\"", "[1,]"] {
            assert!(Value::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Value::parse(b"\"\xff\"").is_err());
    }
}
