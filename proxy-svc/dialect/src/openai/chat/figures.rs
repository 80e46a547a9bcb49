//! The usage object, as callers of chat completions know it.

use crate::json::write::Object;
use crate::usage::Usage;

/// OpenAI's prompt includes what was read from the cache and written to it, its completion includes the reasoning.
pub(super) fn write(mut figures: Object<'_>, usage: &Usage) {
    let prompt = usage.prompt();
    figures
        .count("prompt_tokens", prompt)
        .count("completion_tokens", usage.output)
        .count("total_tokens", prompt.saturating_add(usage.output));
    let mut details = figures.object("prompt_tokens_details");
    details
        .count("cached_tokens", usage.cache_read)
        .count("cache_write_tokens", usage.cache_write_5m.saturating_add(usage.cache_write_1h))
        .count("audio_tokens", usage.input_audio);
    if usage.input_image > 0 {
        details.count("image_tokens", usage.input_image);
    }
    drop(details);
    figures
        .object("completion_tokens_details")
        .count("reasoning_tokens", usage.reasoning)
        .count("audio_tokens", usage.output_audio)
        .count("accepted_prediction_tokens", 0)
        .count("rejected_prediction_tokens", 0);
}
