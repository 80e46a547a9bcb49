//! To which call a piece of one belongs.
//!
//! By the protocol every piece has the index of its call, and the first one the id and the name. Providers leave the
//! index out, give every call the index 0, repeat the id or the name with every piece, or send the id before the name.

use std::collections::HashSet;

use crate::canonical::Text;
use crate::json::Value;

/// How a call is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Index(u64),
    /// The provider says none.
    Unsaid,
    /// `function_call`, as it was before there were tools: there is one.
    Function,
}

/// A piece of a call.
pub(super) struct Piece<'a> {
    key: Key,
    id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) is_custom: bool,
    pub(super) arguments: Option<Value<'a>>,
}

/// The call that a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Open,
    New,
    /// One that has ended.
    Ended,
    /// The name is not known.
    Nameless,
    /// The piece says nothing.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Option<Call>,
    /// The keys and the ids of those that have ended.
    ended: HashSet<Key>,
    ended_ids: HashSet<String>,
    /// An id that came before its name.
    early: Option<(Key, String)>,
}

#[derive(Debug)]
struct Call {
    key: Key,
    id: String,
    name: String,
    has_arguments: bool,
}

impl<'a> Piece<'a> {
    /// An element of `tool_calls`.
    pub(super) fn of_tool(value: Value<'a>) -> Self {
        let (mut piece, mut inner) = (Self::of_key(Key::Unsaid), None);
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "index" => piece.key = value.count().map_or(Key::Unsaid, Key::Index),
                "id" => piece.id = value.text().unwrap_or(Text::EMPTY),
                "function" => inner = Some((value, false)),
                "custom" => inner = Some((value, true)),
                _ => {}
            }
        }
        if let Some((called, is_custom)) = inner {
            piece.called(called);
            piece.is_custom = is_custom;
        }
        piece
    }

    pub(super) fn of_function(value: Value<'a>) -> Self {
        let mut piece = Self::of_key(Key::Function);
        piece.called(value);
        piece
    }

    const fn of_key(key: Key) -> Self {
        Self { key, id: Text::EMPTY, name: Text::EMPTY, is_custom: false, arguments: None }
    }

    fn called(&mut self, value: Value<'a>) {
        for (name, value) in value.members().filter(|(_, value)| !value.is_null()) {
            match &*name {
                "name" => self.name = value.text().unwrap_or(Text::EMPTY),
                "arguments" | "input" => self.arguments = Some(value),
                _ => {}
            }
        }
    }

    fn has_arguments(&self) -> bool {
        self.arguments.is_some_and(|value| value.text().is_none_or(|text| !text.is_empty()))
    }

    /// What is in the middle of an object does not begin like one.
    fn begins_an_object(&self) -> bool {
        self.arguments.is_some_and(|value| match value.text() {
            Some(text) => text.decode().trim_start().starts_with('{'),
            None => true,
        })
    }
}

impl Calls {
    /// Whether there was one at all.
    pub(super) fn any(&self) -> bool {
        self.open.is_some() || !self.ended.is_empty()
    }

    pub(super) fn which(&mut self, piece: &Piece<'_>) -> Which {
        match &self.open {
            Some(open) if belongs(open, piece) => return Which::Open,
            _ => {}
        }
        let is_named = !piece.name.is_empty();
        let has_ended = piece.key != Key::Unsaid && self.ended.contains(&piece.key);
        // An index that is used again is that of another call only if the id is another's.
        let is_known = has_ended && (piece.id.is_empty() || self.ended_ids.contains(&*piece.id.decode()));
        match (is_known, is_named) {
            (true, _) if piece.has_arguments() => Which::Ended,
            (true, _) => Which::Nothing,
            (false, true) => Which::New,
            (false, false) if piece.has_arguments() => Which::Nameless,
            (false, false) => {
                if !piece.id.is_empty() {
                    self.early = Some((piece.key, piece.id.decode().into_owned()));
                }
                Which::Nothing
            }
        }
    }

    /// Opens the call that a piece begins, when the one before has ended. Returns its id.
    pub(super) fn begin(&mut self, piece: &Piece<'_>) -> &str {
        let early = self.early.take().filter(|(key, _)| *key == piece.key).map(|(_, id)| id);
        let id = if piece.id.is_empty() { early.unwrap_or_default() } else { piece.id.decode().into_owned() };
        let name = piece.name.decode().into_owned();
        &self.open.insert(Call { key: piece.key, id, name, has_arguments: false }).id
    }

    /// Whether the open call takes these arguments: an object that is whole comes once.
    pub(super) fn take_arguments(&mut self, is_whole: bool) -> bool {
        match &mut self.open {
            Some(open) => !(std::mem::replace(&mut open.has_arguments, true) && is_whole),
            None => false,
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(Call { key, id, .. }) = self.open.take() {
            self.ended.insert(key);
            self.ended_ids.insert(id);
        }
    }
}

/// Whether a piece is one of the open call.
fn belongs(open: &Call, piece: &Piece<'_>) -> bool {
    let has_other_id = !piece.id.is_empty() && !open.id.is_empty() && piece.id != *open.id.as_str();
    let has_name = !piece.name.is_empty();
    match (piece.key, open.key) {
        (Key::Unsaid, _) if !piece.id.is_empty() => !(has_other_id || (open.id.is_empty() && has_name)),
        (Key::Unsaid, _) if has_name => {
            piece.name == *open.name.as_str() && !(open.has_arguments && piece.begins_an_object())
        }
        (Key::Unsaid, _) => true,
        (key, of_open) => key == of_open && !(has_other_id && has_name),
    }
}
