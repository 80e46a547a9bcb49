//! Members as protocol buffers' JSON has them: in either case, and one element without its brackets.

use std::borrow::Cow;

use super::foreign::FOREIGN;
use crate::json::{Kind, Value};
use crate::translate::read::{self, camel_case};
use crate::translate::{Note, Rejected};

/// The members of what must be an object, by their names in camel case. A null is as good as nothing.
pub(super) fn members<'a>(
    name: &str,
    object: Value<'a>,
) -> Result<impl Iterator<Item = (Cow<'a, str>, Value<'a>)>, Rejected> {
    let members = read::object(name, object)?.members();
    Ok(members.filter(|(_, value)| !value.is_null()).map(|(name, value)| (camel_case(name), value)))
}

/// The elements of an array; an object in its place is the only one.
pub(super) fn list<'a, T>(
    name: &str,
    value: Value<'a>,
    mut read_element: impl FnMut(Value<'a>) -> Result<T, Rejected>,
) -> Result<Vec<T>, Rejected> {
    if value.kind() == Kind::Object {
        return Ok(vec![read_element(value).map_err(|rejected| rejected.inside(name))?]);
    }
    read::list(name, value, read_element)
}

pub(super) fn settle(place: &str, name: &str, value: Value<'_>, notes: &mut Vec<Note>) -> Result<(), Rejected> {
    read::settle_foreign(FOREIGN, place, name, value, notes)
}
