//! Who speaks when, and which calls wait for their results.

use super::super::super::error::ApiError;
use super::invalid;

#[derive(Debug, Default)]
pub(super) struct Turns {
    role: Role,
    begun: bool,
    /// Of calls without a result.
    open: Vec<String>,
    seen: Vec<String>,
    results_in_turn: usize,
    others_in_turn: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    System,
    User,
    Assistant,
}

impl Turns {
    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn begin(&mut self, role: &str, at: &str) -> Result<(), ApiError> {
        self.role = match role {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => {
                return Err(invalid(format!(
                    "{at}: Input should be 'user' or 'assistant' but role was '{role}'; use the top-level `system` parameter"
                )));
            }
        };
        if !self.begun && self.role != Role::User {
            return Err(invalid("messages: first message must use the \"user\" role"));
        }
        self.begun = true;
        self.results_in_turn = 0;
        self.others_in_turn = 0;
        if self.role == Role::Assistant && !self.open.is_empty() {
            return Err(self.unanswered(at));
        }
        Ok(())
    }

    pub(super) fn end(&self, at: &str) -> Result<(), ApiError> {
        if self.role == Role::User && !self.open.is_empty() { Err(self.unanswered(at)) } else { Ok(()) }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn had_results(&self) -> bool {
        self.results_in_turn > 0
    }

    pub(super) fn unanswered(&self, at: &str) -> ApiError {
        invalid(format!(
            "{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            self.open.join(", ")
        ))
    }

    /// Any block but a result.
    pub(super) fn other(&mut self) {
        self.others_in_turn += 1;
    }

    pub(super) fn call(&mut self, id: &str, at: &str) -> Result<(), ApiError> {
        if self.role != Role::Assistant {
            return Err(invalid(format!("{at}: `tool_use` blocks can only be in `assistant` messages")));
        }
        if self.seen.iter().any(|seen| seen == id) {
            return Err(invalid(format!("{at}: `tool_use` ids must be unique")));
        }
        self.seen.push(id.to_owned());
        self.open.push(id.to_owned());
        Ok(())
    }

    pub(super) fn result(&mut self, id: &str, at: &str) -> Result<(), ApiError> {
        if self.role != Role::User {
            return Err(invalid(format!("{at}: `tool_result` blocks can only be in `user` messages")));
        }
        self.results_in_turn += 1;
        if self.others_in_turn > 0 {
            return Err(invalid(format!("{at}: `tool_result` blocks must come first in a message")));
        }
        let before = self.open.len();
        self.open.retain(|open| open != id);
        if before == self.open.len() {
            return Err(invalid(format!(
                "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        Ok(())
    }
}
