//! `usageMetadata` of an answer: the prompt with what the cache gave, the answer without the thoughts.

use crate::json::write::{Array, Object};
use crate::usage::Usage;

pub(super) fn write(object: &mut Object<'_>, usage: &Usage) {
    let prompt = usage.prompt();
    let mut metadata = object.object("usageMetadata");
    metadata
        .count("promptTokenCount", prompt)
        .count("candidatesTokenCount", usage.output.saturating_sub(usage.reasoning))
        .count("totalTokenCount", prompt.saturating_add(usage.output));
    if usage.cache_read > 0 {
        metadata.count("cachedContentTokenCount", usage.cache_read);
    }
    if usage.reasoning > 0 {
        metadata.count("thoughtsTokenCount", usage.reasoning);
    }
    if usage.input_audio > 0 || usage.input_image > 0 {
        let text = prompt.saturating_sub(usage.input_audio).saturating_sub(usage.input_image);
        let mut details = metadata.array("promptTokensDetails");
        modality(&mut details, "TEXT", text);
        modality(&mut details, "AUDIO", usage.input_audio);
        modality(&mut details, "IMAGE", usage.input_image);
    }
    if usage.output_audio > 0 {
        modality(&mut metadata.array("candidatesTokensDetails"), "AUDIO", usage.output_audio);
    }
}

fn modality(details: &mut Array<'_>, name: &str, tokens: u64) {
    if tokens > 0 {
        details.object().string("modality", name).count("tokenCount", tokens);
    }
}
