//! Reading members of a request: each says what type it wants, and a wrong one is rejected with the way to it.

use std::borrow::Cow;

use super::policy::{Foreign, Verdict};
use super::{Note, Rejected};
use crate::canonical::Text;
use crate::json::{Kind, Value};

/// More than anybody is shown: a body of unknown members must not cost the square of their number.
const NOTES_LIMIT: usize = 256;

/// What a reader does with a member that is not in the canonical request: notes it, or rejects the request. `place` is
/// the way to the object that it is in, empty at the top. A null is as good as nothing.
pub(crate) fn settle_foreign(
    table: &[Foreign],
    place: &str,
    name: &str,
    value: Value<'_>,
    notes: &mut Vec<Note>,
) -> Result<(), Rejected> {
    if value.is_null() {
        return Ok(());
    }
    let is_it = |field: &str| match field.strip_prefix(place) {
        Some(rest) if place.is_empty() => rest == name,
        Some(rest) => rest.strip_prefix('.') == Some(name),
        None => false,
    };
    let note = match table.iter().find(|foreign| is_it(foreign.field)) {
        None => Note::unknown(place, name),
        Some(Foreign { verdict: Verdict::Carried(_), .. }) => return Ok(()),
        Some(Foreign { field, verdict: Verdict::Adapted(how, _) }) => Note::new(*field, *how),
        Some(Foreign { verdict: Verdict::Refused(why), .. }) => {
            return Err(Rejected::new(name, format!("`{name}` cannot be translated for this model's provider: {why}")));
        }
    };
    if notes.len() < NOTES_LIMIT && !notes.contains(&note) {
        notes.push(note);
    }
    Ok(())
}

/// A name as the JSON of protocol buffers writes it: `inline_data` is `inlineData`. Both are accepted everywhere there.
pub(crate) fn camel_case(name: Cow<'_, str>) -> Cow<'_, str> {
    let begins = name.len() - name.trim_start_matches('_').len();
    if !name.get(begins..).is_some_and(|rest| rest.contains('_')) {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for (at, character) in name.char_indices() {
        if character == '_' && at >= begins {
            raise = true;
        } else {
            camel.push(if raise { character.to_ascii_uppercase() } else { character });
            raise = false;
        }
    }
    Cow::Owned(camel)
}

/// A member that must be a string.
pub(crate) fn text<'a>(name: &str, value: Value<'a>) -> Result<Text<'a>, Rejected> {
    value.text().ok_or_else(|| Rejected::wrong_type(name, Kind::String))
}

/// A member that must be a string, decoded.
pub(crate) fn string<'a>(name: &str, value: Value<'a>) -> Result<Cow<'a, str>, Rejected> {
    value.string().ok_or_else(|| Rejected::wrong_type(name, Kind::String))
}

/// A member that must be a number, as it is written.
pub(crate) fn number<'a>(name: &str, value: Value<'a>) -> Result<Value<'a>, Rejected> {
    if value.kind() == Kind::Number { Ok(value) } else { Err(Rejected::wrong_type(name, Kind::Number)) }
}

/// A member that must be a whole number, not below zero.
pub(crate) fn count(name: &str, value: Value<'_>) -> Result<u64, Rejected> {
    value.count().ok_or_else(|| Rejected::wrong_type(name, Kind::Number))
}

pub(crate) fn boolean(name: &str, value: Value<'_>) -> Result<bool, Rejected> {
    value.boolean().ok_or_else(|| Rejected::wrong_type(name, Kind::Boolean))
}

/// The elements of a member that must be an array, each read with the way to it in its error.
pub(crate) fn list<'a, T>(
    name: &str,
    value: Value<'a>,
    mut read: impl FnMut(Value<'a>) -> Result<T, Rejected>,
) -> Result<Vec<T>, Rejected> {
    if value.kind() != Kind::Array {
        return Err(Rejected::wrong_type(name, Kind::Array));
    }
    let elements = value.elements().enumerate();
    elements.map(|(index, element)| read(element).map_err(|rejected| rejected.inside_element(name, index))).collect()
}

/// A member that must be an object.
pub(crate) fn object<'a>(name: &str, value: Value<'a>) -> Result<Value<'a>, Rejected> {
    if value.kind() == Kind::Object { Ok(value) } else { Err(Rejected::wrong_type(name, Kind::Object)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::How;

    #[test]
    fn either_case_is_the_same_name() {
        for (written, name) in [
            ("inline_data", "inlineData"),
            ("inlineData", "inlineData"),
            ("_response_json_schema", "_responseJsonSchema"),
            ("__", "__"),
            ("", ""),
            ("text_", "text"),
        ] {
            assert_eq!(camel_case(Cow::Borrowed(written)), name);
        }
    }

    #[test]
    fn foreign_members_are_noted_or_rejected() {
        const TABLE: &[Foreign] = &[
            Foreign { field: "store", verdict: Verdict::Adapted(How::Dropped, "") },
            Foreign { field: "config.voice", verdict: Verdict::Refused("no sound") },
            Foreign { field: "stream_id", verdict: Verdict::Carried("") },
        ];
        let mut notes = Vec::new();
        let one = Value::parse(b"1").unwrap();
        settle_foreign(TABLE, "", "store", one, &mut notes).unwrap();
        settle_foreign(TABLE, "", "stream_id", one, &mut notes).unwrap();
        settle_foreign(TABLE, "", "x y\n", one, &mut notes).unwrap();
        settle_foreign(TABLE, "", "null", Value::NULL, &mut notes).unwrap();
        settle_foreign(TABLE, "config", "odd", one, &mut notes).unwrap();
        let names: Vec<&str> = notes.iter().map(|note| &*note.field).collect();
        assert_eq!(names, ["store", "xy", "config.odd"]);
        assert_eq!(settle_foreign(TABLE, "config", "voice", one, &mut notes).unwrap_err().param, "voice");
    }
}
