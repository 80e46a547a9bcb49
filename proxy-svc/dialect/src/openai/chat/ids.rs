//! Ids of calls in a request: each call needs one, and each result the one of its call.

use std::collections::HashMap;

use crate::canonical::{Text, ToolCall, ToolResult};
use crate::translate::Queues;

/// OpenAI takes no longer ones.
const LONGEST: usize = 40;

/// Ids of the conversation that is being written.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// How many were made.
    made: usize,
    turn: Turn,
}

/// Calls of the last turn of the assistant.
#[derive(Debug, Default)]
struct Turn {
    calls: Vec<Call>,
    /// The first call of each id.
    by_id: HashMap<String, usize>,
    by_name: Queues,
    /// All before it are answered.
    first: usize,
}

#[derive(Debug)]
struct Call {
    id: String,
    is_answered: bool,
}

impl Ids {
    /// A turn of the assistant begins: what was not answered will not be.
    pub(super) fn begin_turn(&mut self) {
        self.turn = Turn::default();
    }

    pub(super) fn of_call<'t>(&mut self, call: &'t ToolCall<'_>) -> Text<'t> {
        let id = match &call.id {
            Some(id) if !id.is_empty() => fit(id),
            _ => self.make(),
        };
        let (decoded, place) = (id.decode().into_owned(), self.turn.calls.len());
        self.turn.by_id.entry(decoded.clone()).or_insert(place);
        self.turn.by_name.push(&call.name, place);
        self.turn.calls.push(Call { id: decoded, is_answered: false });
        id
    }

    /// A result without an id is that of the first call of its name that has none, or else of the first that has none.
    pub(super) fn of_result<'t>(&mut self, result: &'t ToolResult<'_>) -> Text<'t> {
        if let Some(id) = result.id.as_ref().filter(|id| !id.is_empty()) {
            let id = fit(id);
            let found = self.turn.by_id.get(&*id.decode());
            if let Some(call) = found.and_then(|place| self.turn.calls.get_mut(*place)) {
                call.is_answered = true;
            }
            return id;
        }
        match self.turn.next(result.name.as_ref()) {
            Some(call) => {
                call.is_answered = true;
                Text::from(call.id.clone())
            }
            None => self.make(),
        }
    }

    fn make<'t>(&mut self) -> Text<'t> {
        self.made += 1;
        Text::from(format!("call_{}", self.made))
    }
}

impl Turn {
    fn next(&mut self, name: Option<&Text<'_>>) -> Option<&mut Call> {
        let waits = |place: usize| self.calls.get(place).is_some_and(|call| !call.is_answered);
        let place = name.and_then(|name| self.by_name.next(name, waits)).or_else(|| {
            self.first = (self.first..self.calls.len()).find(|place| waits(*place)).unwrap_or(self.calls.len());
            Some(self.first)
        })?;
        self.calls.get_mut(place)
    }
}

/// The id as it is, or a hash of it where it is too long: the same for a call and its result.
fn fit<'t>(id: &'t Text<'_>) -> Text<'t> {
    let decoded = id.decode();
    if decoded.len() <= LONGEST {
        return match id {
            Text::Escaped(inner) => Text::Escaped(inner),
            Text::Plain(text) => Text::from(&**text),
        };
    }
    let hash = |start: u64| decoded.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    Text::from(format!("call_{:016x}{:016x}", hash(BASIS), hash(!BASIS)))
}

/// FNV-1a.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;
