//! Calls and their results in a conversation: each call has an id of its own, in the characters that Anthropic takes,
//! and each result names the call of the turn in front of it.

use std::collections::HashSet;

use crate::canonical::{Text, ToolCall, ToolResult};
use crate::translate::Rejected;

/// Gives calls their ids and finds those of the results.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Ids that were given.
    taken: HashSet<String>,
    /// Calls of the last turn, in their order.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// As the caller wrote it; empty when its protocol has none.
    original: String,
    name: String,
    written: String,
    is_answered: bool,
}

impl Calls {
    /// The id that a call is written with.
    pub(super) fn call(&mut self, call: &ToolCall<'_>) -> String {
        let original = call.id.as_ref().map(|id| id.decode().into_owned()).unwrap_or_default();
        let written = self.unique(&original);
        let name = call.name.decode().into_owned();
        self.open.push(Open { original, name, written: written.clone(), is_answered: false });
        written
    }

    /// The id that a result is written with.
    pub(super) fn result(&mut self, result: &ToolResult<'_>) -> Result<String, Rejected> {
        let says = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.decode().into_owned());
        let (id, name) = (says(&result.id), says(&result.name));
        let waiting = |call: &&mut Open| !call.is_answered;
        let found = match (id, name) {
            (Some(id), _) if !id.is_empty() => {
                let found = self.open.iter_mut().filter(waiting).find(|call| call.original == id);
                found.ok_or_else(|| {
                    let message = format!("`messages`: the result of the call `{id}` does not stand behind that call");
                    Rejected::new("messages", message)
                })
            }
            // Where a protocol has no ids, the order of the calls of each tool counts.
            (_, Some(name)) => {
                let found = self.open.iter_mut().filter(waiting).find(|call| call.name == name);
                found.ok_or_else(|| {
                    Rejected::new("messages", format!("`messages`: a result of `{name}` does not stand behind a call"))
                })
            }
            _ => {
                let found = self.open.iter_mut().find(waiting);
                found.ok_or_else(|| Rejected::new("messages", "`messages`: a result does not stand behind a call"))
            }
        }?;
        found.is_answered = true;
        Ok(found.written.clone())
    }

    /// A turn is over in which all calls in front of it must have been answered.
    pub(super) fn settle(&mut self) -> Result<(), Rejected> {
        if let Some(call) = self.open.iter().find(|call| !call.is_answered) {
            let which = if call.original.is_empty() { &call.name } else { &call.original };
            let message = format!("`messages`: there is no result of the call `{which}` behind it");
            return Err(Rejected::new("messages", message));
        }
        self.open.clear();
        Ok(())
    }

    fn unique(&mut self, original: &str) -> String {
        let replaced =
            |character: char| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' };
        let mut id: String = original.chars().map(replaced).collect();
        if id.is_empty() {
            id = format!("call_{}", self.taken.len());
        }
        let stem = id.clone();
        let mut number = 1;
        while !self.taken.insert(id.clone()) {
            number += 1;
            id = format!("{stem}_{number}");
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Arguments, Value};

    fn call(id: Option<&'static str>, name: &'static str) -> ToolCall<'static> {
        ToolCall {
            id: id.map(Text::from),
            name: Text::from(name),
            arguments: Arguments::Object(Value::EMPTY_OBJECT),
            is_custom: false,
            signature: None,
            cache: None,
        }
    }

    fn result(id: Option<&'static str>, name: Option<&'static str>) -> ToolResult<'static> {
        ToolResult {
            id: id.map(Text::from),
            name: name.map(Text::from),
            content: Vec::new(),
            is_error: false,
            is_custom: false,
            cache: None,
        }
    }

    #[test]
    fn ids_are_clean_and_alike_in_call_and_result() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(&call(Some("fc.1:ä"), "a")), "fc_1__");
        assert_eq!(calls.call(&call(Some("fc_1__"), "a")), "fc_1___2");
        assert_eq!(calls.result(&result(Some("fc_1__"), None)).unwrap(), "fc_1___2");
        assert_eq!(calls.result(&result(Some("fc.1:ä"), None)).unwrap(), "fc_1__");
        calls.settle().unwrap();
        assert_eq!(calls.call(&call(Some("fc.1:ä"), "a")), "fc_1___3");
        assert!(calls.settle().unwrap_err().message.contains("`fc.1:ä`"));
    }

    #[test]
    fn calls_without_ids_are_answered_by_name_and_order() {
        let mut calls = Calls::default();
        let ids = [calls.call(&call(None, "a")), calls.call(&call(None, "b")), calls.call(&call(None, "a"))];
        assert_eq!(calls.result(&result(None, Some("b"))).unwrap(), ids[1]);
        assert_eq!(calls.result(&result(None, Some("a"))).unwrap(), ids[0]);
        assert_eq!(calls.result(&result(None, None)).unwrap(), ids[2]);
        assert!(calls.result(&result(None, None)).is_err() && calls.result(&result(None, Some("a"))).is_err());
        assert!(calls.result(&result(Some("x"), None)).is_err());
    }
}
