//! A call of a tool in a stream.

use super::tell::Teller;
use crate::canonical::{Arguments, Delta, Text, ToolCall};
use crate::json::Value;
use crate::openai::responses::{read_answer, wrapper};

#[derive(Debug, Default)]
pub(super) struct Call {
    has_begun: bool,
    has_arguments: bool,
    /// What was written for a call that may hold others: none of it is told before its end.
    wrapped: Option<Wrapped>,
}

#[derive(Debug)]
struct Wrapped {
    id: Option<Text<'static>>,
    name: Text<'static>,
    /// As it is escaped.
    arguments: String,
}

impl Call {
    pub(super) const fn has_arguments(&self) -> bool {
        self.has_arguments
    }

    /// Returns whether it is a call that was told.
    pub(super) fn begin(&mut self, item: Value<'_>, teller: &mut Teller<'_, '_>) -> bool {
        if self.has_begun || self.wrapped.is_some() {
            return false;
        }
        let Some(call) = read_answer::calls(item).into_iter().next() else { return false };
        if wrapper::may_be(&call.name) {
            let (id, name) = (call.id.map(Text::into_owned), call.name.into_owned());
            self.wrapped = Some(Wrapped { id, name, arguments: String::new() });
            return false;
        }
        self.has_begun = true;
        teller.call(call.id, call.name, call.is_custom);
        true
    }

    pub(super) fn add(&mut self, arguments: Option<Text<'_>>, teller: &mut Teller<'_, '_>) {
        let Some(arguments) = arguments else { return };
        if let Some(wrapped) = &mut self.wrapped {
            if let Text::Escaped(escaped) = arguments {
                wrapped.arguments.push_str(escaped);
            }
        } else if self.has_begun {
            self.has_arguments = true;
            teller.delta(Delta::Arguments(arguments));
        }
    }

    /// Returns whether there was a call.
    pub(super) fn end(&mut self, whole: Option<Value<'_>>, teller: &mut Teller<'_, '_>) -> bool {
        let mut calls = whole.map(read_answer::calls).unwrap_or_default();
        if self.has_begun {
            if let (false, Some(call)) = (self.has_arguments, calls.pop()) {
                teller.arguments(&call.arguments);
            }
            return true;
        }
        match &self.wrapped {
            Some(wrapped) if calls.is_empty() => {
                let written = Text::Escaped(&wrapped.arguments);
                let inside = wrapper::calls_in(wrapped.id.as_ref(), &written);
                for call in inside.unwrap_or_else(|| vec![wrapped.as_call()]) {
                    teller.whole_call(call);
                }
                true
            }
            _ => {
                let has_calls = !calls.is_empty();
                for call in calls {
                    teller.whole_call(call);
                }
                has_calls
            }
        }
    }
}

impl Wrapped {
    fn as_call(&self) -> ToolCall<'_> {
        ToolCall {
            id: self.id.clone(),
            name: self.name.clone(),
            arguments: Arguments::Written(Text::Escaped(&self.arguments)),
            is_custom: false,
            signature: None,
            cache: None,
        }
    }
}
