//! What a caller asks for.

use super::{Block, CacheControl, Text, Value};
use crate::translate::Note;

/// A conversation, and how it is to go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request<'a> {
    /// Instructions, in the order in which they stand: `Text` blocks only.
    pub system: Vec<Block<'a>>,
    pub messages: Vec<Message<'a>>,
    pub tools: Vec<Tool<'a>>,
    pub tool_choice: Option<ToolChoice<'a>>,
    pub parallel_tool_calls: Option<bool>,
    pub format: OutputFormat<'a>,
    pub max_output_tokens: Option<u64>,
    pub sampling: Sampling<'a>,
    /// Texts at which the model stops.
    pub stop: Vec<Text<'a>>,
    pub reasoning: ReasoningRequest<'a>,
    pub stream: bool,
    /// OpenAI's `stream_options.include_usage`; the other protocols always tell usage.
    pub include_usage: bool,
    pub user: ServiceUser<'a>,
    /// What was read and has no place here; every one of them is named to the caller.
    pub notes: Vec<Note>,
}

/// One turn. Neighbours may have the same role; a writer merges them where its protocol wants that.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    pub role: Role,
    pub content: Vec<Block<'a>>,
}

/// Results of tools are the user's, calls the assistant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
    /// Instructions in the middle of a conversation. Those before the first turn are [`Request::system`].
    System,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool<'a> {
    pub name: Text<'a>,
    pub description: Option<Text<'a>>,
    /// JSON Schema of the arguments' object; absent = no arguments.
    pub parameters: Option<Value<'a>>,
    /// The parameters are in Gemini's dialect, which `translate::schema` writes for the others.
    pub is_openapi: bool,
    pub strict: Option<bool>,
    /// Takes free text (OpenAI's `custom` tools).
    pub is_custom: bool,
    pub cache: Option<CacheControl>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice<'a> {
    Auto,
    None,
    /// One of them, whichever.
    Required,
    Named(Text<'a>),
    /// Only these; `required` is whether one of them must be called.
    Allowed {
        names: Vec<Text<'a>>,
        required: bool,
    },
}

/// What the answer must look like.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum OutputFormat<'a> {
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: Option<Text<'a>>,
        description: Option<Text<'a>>,
        schema: Value<'a>,
        /// The schema is in Gemini's dialect, which `translate::schema` writes for the others.
        is_openapi: bool,
        strict: Option<bool>,
    },
}

/// Numbers are as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling<'a> {
    pub temperature: Option<Value<'a>>,
    pub top_p: Option<Value<'a>>,
    pub top_k: Option<Value<'a>>,
    pub seed: Option<Value<'a>>,
    pub frequency_penalty: Option<Value<'a>>,
    pub presence_penalty: Option<Value<'a>>,
    /// How many answers; absent = 1.
    pub choices: Option<u64>,
    /// Log probabilities of the tokens, and of so many alternatives to each.
    pub log_probabilities: Option<u64>,
}

/// Whether and how hard the model thinks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReasoningRequest<'a> {
    /// `None` = as the model does by itself.
    pub enabled: Option<bool>,
    pub effort: Option<Effort>,
    /// Tokens to think with.
    pub budget: Option<u64>,
    /// The caller wants to see the thoughts.
    pub visible: Option<bool>,
    /// OpenAI's `reasoning.summary`, as written.
    pub summary: Option<Text<'a>>,
    /// The caller wants the state of the reasoning back, to carry it on (`reasoning.encrypted_content`).
    pub encrypted: bool,
}

/// OpenAI's words, and Anthropic's `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

/// What a caller says about its own user and its request, for the provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceUser<'a> {
    /// OpenAI's `user` or `safety_identifier`, Anthropic's `metadata.user_id`.
    pub id: Option<Text<'a>>,
    /// `prompt_cache_key`.
    pub cache_key: Option<Text<'a>>,
    /// OpenAI's `verbosity`.
    pub verbosity: Option<Text<'a>>,
}

impl ReasoningRequest<'_> {
    /// The tokens that stand for an effort where a protocol wants a number: Google's own figures for OpenAI's words.
    pub const fn budget_of(effort: Effort) -> u64 {
        match effort {
            Effort::None => 0,
            Effort::Minimal | Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High => 24_576,
            Effort::ExtraHigh | Effort::Max => 32_768,
        }
    }

    /// The effort that stands for a number of tokens where a protocol wants a word.
    pub const fn effort_of(budget: u64) -> Effort {
        match budget {
            0 => Effort::None,
            1..=2048 => Effort::Low,
            2049..=16_384 => Effort::Medium,
            _ => Effort::High,
        }
    }

    /// What was asked for as an effort: said, or the one that fits the budget.
    pub fn effective_effort(&self) -> Option<Effort> {
        if self.enabled == Some(false) {
            return Some(Effort::None);
        }
        self.effort.or_else(|| self.budget.map(Self::effort_of))
    }

    /// What was asked for as tokens: said, or the number that fits the effort.
    pub fn effective_budget(&self) -> Option<u64> {
        if self.enabled == Some(false) {
            return Some(0);
        }
        self.budget.or_else(|| self.effort.map(Self::budget_of))
    }
}

impl Effort {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// By its word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::ExtraHigh, Self::Max]
            .into_iter()
            .find(|effort| effort.as_str() == word)
    }
}
