//! Why a model stopped, in OpenAI's words and in those of the providers that speak its protocol.

use crate::canonical::Finish;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Proper(Finish),
    /// The provider broke off: what came is not all.
    Failed,
}

/// Reads a `finish_reason`. Whether there were calls is decided by the calls, not by the word: with a forced tool
/// OpenAI says `stop`, and so do several providers always.
pub(super) fn read(word: &str, has_calls: bool) -> Ending {
    Ending::Proper(match word {
        "length" | "max_tokens" | "MAX_TOKENS" | "model_length" => Finish::Length,
        "content_filter" | "safety" | "SAFETY" | "refusal" => Finish::ContentFilter,
        "error" | "insufficient_system_resource" | "abort" => return Ending::Failed,
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    })
}

/// The word that the official SDKs know.
pub(super) const fn word(finish: Finish, has_calls: bool, is_legacy: bool) -> &'static str {
    match finish {
        Finish::Length | Finish::ContextWindow => "length",
        Finish::ContentFilter => "content_filter",
        Finish::ToolCalls | Finish::Stop if has_calls && is_legacy => "function_call",
        Finish::ToolCalls | Finish::Stop if has_calls => "tool_calls",
        Finish::ToolCalls | Finish::Stop | Finish::StopSequence | Finish::Pause => "stop",
    }
}
