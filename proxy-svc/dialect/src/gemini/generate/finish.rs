//! `finishReason` and `blockReason`, both ways.

use crate::canonical::{Block, Finish, Text};
use crate::json::write::Object;

/// Calls are no reason of their own here.
pub(super) fn read(word: Option<&str>, has_calls: bool) -> Finish {
    match word {
        Some("MAX_TOKENS") => Finish::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "LANGUAGE"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ESCALATION"
            | "PUP_LIMITED_DISABLED",
        ) => Finish::ContentFilter,
        Some("CONTINUATION") => Finish::Pause,
        // `STOP`, and what is the model's mistake and not a policy's: `MALFORMED_FUNCTION_CALL`, `OTHER`, …. No other
        // protocol has a word for those, and the caller has to look at what it got all the same.
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

/// A pause is not told as `CONTINUATION`: Google's SDKs go on by themselves then, with a token that is not there.
pub(super) const fn word(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length | Finish::ContextWindow => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    }
}

/// Whether a block says why a filter stopped the answer: no part of it, but its `finishMessage`.
pub(super) const fn explains(finish: Finish, block: &Block<'_>) -> bool {
    matches!((finish, block), (Finish::ContentFilter, Block::Refusal(_)))
}

/// Why a prompt was refused, in one of this protocol's words.
pub(super) fn write_blocked(object: &mut Object<'_>, reason: &Text<'_>) {
    let given = reason.decode();
    let word = match &*given {
        word @ ("SAFETY" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "IMAGE_SAFETY" | "MODEL_ARMOR" | "JAILBREAK") => word,
        _ => "OTHER",
    };
    object.object("promptFeedback").string("blockReason", word);
}
