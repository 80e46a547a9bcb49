//! An answer as it comes.
//!
//! A reader gives for each choice: blocks one after the other, each [`Event::BlockStart`], its deltas,
//! [`Event::BlockEnd`]; then [`Event::Finish`]. [`Event::Start`] comes once, first. Usage has no event: it has one
//! source, and a writer gets it when it ends its stream.

use std::borrow::Cow;

use super::{Finish, Signature, Text, Value};
use crate::usage::ProviderError;

#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    Start {
        id: Option<Text<'a>>,
        model: Option<Text<'a>>,
    },
    BlockStart {
        choice: u32,
        block: BlockStart<'a>,
    },
    /// Belongs to the block that is open in this choice.
    Delta {
        choice: u32,
        delta: Delta<'a>,
    },
    BlockEnd {
        choice: u32,
    },
    /// JSON in OpenAI's shape, for the text that came before: see [`super::Choice::log_probabilities`].
    LogProbabilities {
        choice: u32,
        json: Cow<'a, str>,
    },
    Finish {
        choice: u32,
        finish: Finish,
        stop_sequence: Option<Text<'a>>,
    },
    /// The prompt was refused; no choice follows.
    Blocked(Text<'a>),
    /// The provider failed in the middle.
    Error(ProviderError),
}

/// What kind of block begins.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockStart<'a> {
    Text,
    Reasoning,
    Refusal,
    ToolCall { id: Option<Text<'a>>, name: Text<'a>, is_custom: bool, signature: Option<Signature<'a>> },
}

/// A little more of the open block.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta<'a> {
    Text(Text<'a>),
    Reasoning(Text<'a>),
    Refusal(Text<'a>),
    /// Of the open reasoning block; comes whole.
    Signature(Signature<'a>),
    /// A piece of the arguments' JSON, or of a custom tool's text.
    Arguments(Text<'a>),
    /// All of the arguments at once.
    WholeArguments(Value<'a>),
}
