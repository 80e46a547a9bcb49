//! What was asked, in no protocol's words.

use std::hash::{DefaultHasher, Hasher};

use serde_json::Value;

use super::profile::Profile;

#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) profile: Profile,
    /// Text of the last message by the user.
    pub(crate) last_user_text: String,
    /// All text that the model would read, tools included.
    pub(crate) text_bytes: usize,
    pub(crate) messages: u64,
    pub(crate) images: u64,
    pub(crate) audios: u64,
    pub(crate) ends_with_tool_result: bool,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) parallel_allowed: bool,
    pub(crate) format: Format,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) reasoning: bool,
    pub(crate) cache: CacheWish,
    /// What the model says where it refuses; some providers then give no text at all.
    pub(crate) refusal: &'static str,
    /// How many alternatives each token's log probability comes with; `None`: no log probabilities.
    pub(crate) log_probabilities: Option<u64>,
    /// How many answers are wanted.
    pub(crate) choices: u64,
    /// Of the body: the same request always gets the same numbers.
    pub(crate) seed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
    /// A free-text tool of the Responses API.
    pub(crate) custom: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Format {
    Text,
    JsonObject,
    JsonSchema(Value),
}

/// Whether the request asked for prompt caching, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheWish {
    pub(crate) five_minutes: bool,
    pub(crate) one_hour: bool,
}

impl Prompt {
    pub(crate) fn new(profile: Profile, body: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        Self {
            reasoning: profile.reasoning,
            profile,
            last_user_text: String::new(),
            text_bytes: 0,
            messages: 0,
            images: 0,
            audios: 0,
            ends_with_tool_result: false,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_allowed: true,
            format: Format::Text,
            max_output_tokens: None,
            stop: Vec::new(),
            cache: CacheWish::default(),
            refusal: "I'm sorry, but I can't help with that.",
            log_probabilities: None,
            choices: 1,
            seed: hasher.finish(),
        }
    }

    pub(crate) fn tool(&mut self, name: &str, schema: Option<&Value>) {
        let schema = schema.cloned().unwrap_or_default();
        self.text_bytes += name.len() + schema.to_string().len();
        self.tools.push(Tool { name: name.to_owned(), schema, custom: false });
    }

    /// A tool whose input is one free text.
    pub(crate) fn custom_tool(&mut self, name: &str) {
        self.text_bytes += name.len();
        self.tools.push(Tool { name: name.to_owned(), schema: Value::Null, custom: true });
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.text_bytes += text.len();
    }

    pub(crate) fn user_text(&mut self, text: &str) {
        self.text(text);
        if !self.last_user_text.is_empty() {
            self.last_user_text.push(' ');
        }
        self.last_user_text.push_str(text);
    }
}

/// `"x"` or `["x", "y"]`.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}
