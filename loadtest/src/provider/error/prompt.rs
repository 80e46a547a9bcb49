//! Prompts that a provider turns down whole: too long, or against its policy.

use super::ApiError;
use crate::provider::plan::Protocol;

impl ApiError {
    /// `responses_api` tells which of `OpenAI`'s two it was.
    pub(crate) fn context_window(protocol: Protocol, responses_api: bool) -> Self {
        match protocol {
            Protocol::OpenAi if responses_api => Self::invalid(
                "input",
                "Your input exceeds the context window of this model. Please adjust your input and try again.",
            )
            .code("context_length_exceeded"),
            Protocol::OpenAi => Self::invalid(
                "messages",
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. Please reduce the length of the messages.",
            )
            .code("context_length_exceeded"),
            Protocol::Anthropic => Self::new(400, "prompt is too long: 215000 tokens > 200000 maximum"),
            Protocol::Gemini => Self::new(
                400,
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ),
        }
    }

    /// Gemini answers such a prompt with 200 and no candidates instead.
    pub(crate) fn content_policy(protocol: Protocol) -> Self {
        match protocol {
            Protocol::OpenAi => Self::new(
                400,
                "Your request was rejected as a result of our safety system. Your prompt may contain content that is not allowed by our policies.",
            )
            .code("content_policy_violation"),
            Protocol::Anthropic => Self::new(400, "Output blocked by content filtering policy"),
            Protocol::Gemini => Self::new(400, "The prompt is prohibited."),
        }
    }
}
