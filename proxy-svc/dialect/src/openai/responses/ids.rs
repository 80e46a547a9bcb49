//! Ids of calls towards OpenAI: every call and result has one, of 64 characters at most.

use crate::canonical::{Text, ToolCall, ToolResult};
use crate::translate::Queues;

const MAX_LENGTH: usize = 64;

/// The calls of a conversation that have no result yet. Protocols without ids go by name and order.
#[derive(Debug, Default)]
pub(super) struct CallIds {
    made: usize,
    /// The ids of all calls in their order; none where there is a result.
    open: Vec<Option<Text<'static>>>,
    by_id: Queues,
    by_name: Queues,
    /// All before it have results.
    first: usize,
}

impl CallIds {
    pub(super) fn of_call<'a>(&mut self, call: &ToolCall<'a>) -> Text<'a> {
        let id = match &call.id {
            Some(id) if !id.is_empty() => fit(id),
            _ => {
                self.made += 1;
                Text::from(format!("call_{}", self.made))
            }
        };
        self.by_id.push(&id, self.open.len());
        self.by_name.push(&call.name, self.open.len());
        self.open.push(Some(id.clone().into_owned()));
        id
    }

    pub(super) fn of_result<'a>(&mut self, result: &ToolResult<'a>) -> Text<'a> {
        if let Some(id) = result.id.as_ref().filter(|id| !id.is_empty()) {
            let id = fit(id);
            for place in self.by_id.take(&id) {
                self.open.get_mut(place).map(Option::take);
            }
            return id;
        }
        let waits = |place: usize| self.open.get(place).is_some_and(Option::is_some);
        let found = if let Some(name) = &result.name {
            self.by_name.next(name, waits)
        } else {
            self.first = (self.first..self.open.len()).find(|place| waits(*place)).unwrap_or(self.open.len());
            Some(self.first)
        };
        // OpenAI says of this id that there is no such call.
        found.and_then(|place| self.open.get_mut(place)?.take()).unwrap_or(Text::Escaped("call_0"))
    }
}

/// What is too long is told by its hash, the same for a call and its result.
fn fit<'a>(id: &Text<'a>) -> Text<'a> {
    let decoded = id.decode();
    if decoded.len() <= MAX_LENGTH {
        return id.clone();
    }
    Text::from(format!("call_{:016x}", crate::translate::hash(&decoded)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Arguments;

    fn call(id: Option<&str>, name: &str) -> ToolCall<'static> {
        ToolCall {
            id: id.map(|id| Text::from(id.to_owned())),
            name: Text::from(name.to_owned()),
            arguments: Arguments::Written(Text::EMPTY),
            is_custom: false,
            signature: None,
            cache: None,
        }
    }

    fn result(id: Option<&str>, name: Option<&str>) -> ToolResult<'static> {
        let owned = |text: &str| Text::from(text.to_owned());
        let (id, name) = (id.map(owned), name.map(owned));
        ToolResult { id, name, content: Vec::new(), is_error: false, is_custom: false, cache: None }
    }

    #[test]
    fn results_without_ids_belong_to_calls_by_name_and_order() {
        let mut ids = CallIds::default();
        let (first, second) = (ids.of_call(&call(None, "a")), ids.of_call(&call(None, "b")));
        let third = ids.of_call(&call(Some("x"), "b"));
        assert_eq!(ids.of_result(&result(None, Some("b"))), second);
        assert_eq!(ids.of_result(&result(None, Some("b"))), third);
        assert_eq!(ids.of_result(&result(None, None)), first);
        assert_eq!(ids.of_result(&result(None, None)), "call_0");
    }

    #[test]
    fn long_ids_are_shortened_alike() {
        let long = "x".repeat(65);
        let mut ids = CallIds::default();
        let id = ids.of_call(&call(Some(&long), "a"));
        assert!(id.decode().len() <= MAX_LENGTH);
        assert_eq!(ids.of_result(&result(Some(&long), None)), id);
        assert_eq!(ids.of_call(&call(Some(&"y".repeat(64)), "a")), Text::from("y".repeat(64)));
    }
}
