//! Calls and their results in a conversation: each call has an id of its own, in the characters that Anthropic takes,
//! and each result names the call of the turn in front of it.

use std::collections::HashMap;

use crate::canonical::{ToolCall, ToolResult};
use crate::translate::{Queues, Rejected};

/// Gives calls their ids and finds those of the results. What a caller sends may hold very many of both, therefore
/// nothing is searched for from end to end.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Ids that were given, and how often they were asked for.
    taken: HashMap<String, usize>,
    /// Calls of the last turn, in their order.
    open: Vec<Open>,
    by_id: Queues,
    by_name: Queues,
    /// All before it are answered.
    first: usize,
}

#[derive(Debug)]
struct Open {
    /// The caller's id of it, or else its name, for errors.
    shown: String,
    written: String,
    is_answered: bool,
}

impl Calls {
    /// The id that a call is written with.
    pub(super) fn call(&mut self, call: &ToolCall<'_>) -> String {
        let original = call.id.as_ref().map(|id| id.decode().into_owned()).unwrap_or_default();
        let written = self.unique(&original);
        let index = self.open.len();
        if let Some(id) = &call.id {
            self.by_id.push(id, index);
        }
        self.by_name.push(&call.name, index);
        let shown = if original.is_empty() { call.name.decode().into_owned() } else { original };
        self.open.push(Open { shown, written: written.clone(), is_answered: false });
        written
    }

    /// The id that a result is written with. Where a protocol has no ids, the order of the calls of each tool counts.
    pub(super) fn result(&mut self, result: &ToolResult<'_>) -> Result<String, Rejected> {
        let (id, name) = (result.id.as_ref().filter(|id| !id.is_empty()), result.name.as_ref());
        let waits = |index: usize| self.open.get(index).is_some_and(|call| !call.is_answered);
        let found = match (id, name) {
            (Some(id), _) => self.by_id.next(id, waits),
            (None, Some(name)) => self.by_name.next(name, waits),
            (None, None) => self.first_waiting(),
        };
        let Some(call) = found.and_then(|index| self.open.get_mut(index)) else {
            let which = id.or(name).map(|which| format!(" `{}`", which.decode())).unwrap_or_default();
            let message = format!("`messages`: the result of the call{which} does not stand behind that call");
            return Err(Rejected::new("messages", message));
        };
        call.is_answered = true;
        Ok(call.written.clone())
    }

    fn first_waiting(&mut self) -> Option<usize> {
        while self.open.get(self.first)?.is_answered {
            self.first += 1;
        }
        Some(self.first)
    }

    /// A turn is over in which all calls in front of it must have been answered.
    pub(super) fn settle(&mut self) -> Result<(), Rejected> {
        if let Some(call) = self.open.iter().find(|call| !call.is_answered) {
            let message = format!("`messages`: there is no result of the call `{}` behind it", call.shown);
            return Err(Rejected::new("messages", message));
        }
        // New ones: to empty what once was large takes long each time.
        *self = Self { taken: std::mem::take(&mut self.taken), ..Self::default() };
        Ok(())
    }

    fn unique(&mut self, original: &str) -> String {
        let replaced =
            |character: char| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' };
        let mut stem: String = original.chars().map(replaced).collect();
        if stem.is_empty() {
            stem.push_str("call");
        }
        let mut number = self.taken.get(&stem).copied().unwrap_or_default();
        let id = loop {
            number += 1;
            let id = if number == 1 { stem.clone() } else { format!("{stem}_{number}") };
            if id == stem || !self.taken.contains_key(&id) {
                break id;
            }
        };
        self.taken.insert(stem, number);
        self.taken.entry(id.clone()).or_insert(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Arguments, Text, Value};

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
    fn very_many_calls_take_no_longer_than_they_must() {
        let mut calls = Calls::default();
        let made: Vec<String> = (0..50_000).map(|_| calls.call(&call(Some("x"), "f"))).collect();
        assert_eq!(made.iter().collect::<std::collections::HashSet<_>>().len(), made.len());
        for (index, id) in made.iter().enumerate() {
            let (id_of, name) = if index % 2 == 0 { (Some("x"), None) } else { (None, Some("f")) };
            assert_eq!(&calls.result(&result(id_of, name)).unwrap(), id);
        }
        calls.settle().unwrap();
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
