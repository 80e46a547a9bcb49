//! Why a model stopped, in Anthropic's words.

use crate::canonical::Finish;

/// An unknown reason is an end like any other.
pub(super) fn read(stop_reason: &str) -> Finish {
    match stop_reason {
        "stop_sequence" => Finish::StopSequence,
        "max_tokens" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        "pause_turn" => Finish::Pause,
        "model_context_window_exceeded" => Finish::ContextWindow,
        _ => Finish::Stop,
    }
}

/// `has_calls` and `has_refusal` are what the answer holds: some protocols end both with a plain stop.
pub(super) const fn write(finish: Finish, has_calls: bool, has_refusal: bool) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence if has_refusal => "refusal",
        Finish::Stop if has_calls => "tool_use",
        Finish::Stop => "end_turn",
        Finish::StopSequence => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
        Finish::Pause => "pause_turn",
        Finish::ContextWindow => "model_context_window_exceeded",
    }
}
