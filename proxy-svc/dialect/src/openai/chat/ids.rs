//! Ids of calls in a request: each call needs one, and each result the one of its call.

use crate::canonical::{Text, ToolCall, ToolResult};

/// OpenAI takes no longer ones.
const LONGEST: usize = 40;

/// Ids of the conversation that is being written.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// How many were made.
    made: usize,
    /// Calls of the last turn of the assistant.
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    is_answered: bool,
}

impl Ids {
    /// A turn of the assistant begins: what was not answered will not be.
    pub(super) fn begin_turn(&mut self) {
        self.calls.clear();
    }

    pub(super) fn of_call<'t>(&mut self, call: &'t ToolCall<'_>) -> Text<'t> {
        let id = match &call.id {
            Some(id) if !id.is_empty() => fit(id),
            _ => self.make(),
        };
        let (id_text, name) = (id.decode().into_owned(), call.name.decode().into_owned());
        self.calls.push(Call { id: id_text, name, is_answered: false });
        id
    }

    /// A result without an id is that of the first call of its name that has none, or else of the first that has none.
    pub(super) fn of_result<'t>(&mut self, result: &'t ToolResult<'_>) -> Text<'t> {
        if let Some(id) = result.id.as_ref().filter(|id| !id.is_empty()) {
            let id = fit(id);
            let found = self.calls.iter_mut().find(|call| id == call.id.as_str());
            if let Some(call) = found {
                call.is_answered = true;
            }
            return id;
        }
        let name = result.name.as_ref().map(Text::decode);
        let waiting = |call: &&mut Call| !call.is_answered;
        let named = self.calls.iter_mut().filter(waiting).find(|call| name.as_deref() == Some(call.name.as_str()));
        let found = match named {
            Some(call) => Some(call),
            None => self.calls.iter_mut().find(waiting),
        };
        match found {
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
