//! Gemini's usage object: the prompt includes what the cache gave, the candidates leave out the thoughts.

use crate::json::{Elements, Members, count, string};
use crate::usage::{Reported, Usage, update};

pub(super) fn read(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"promptTokenCount" => update(&mut reported.input, count(value)),
            b"cachedContentTokenCount" => update(&mut reported.cache_read, count(value)),
            b"candidatesTokenCount" | b"responseTokenCount" => update(&mut reported.output, count(value)),
            b"thoughtsTokenCount" => update(&mut reported.reasoning, count(value)),
            b"toolUsePromptTokenCount" => update(&mut reported.tool_input, count(value)),
            b"totalTokenCount" => update(&mut reported.total, count(value)),
            b"promptTokensDetails" => {
                update(&mut reported.input_audio, modality(value, "AUDIO"));
                update(&mut reported.input_image, modality(value, "IMAGE"));
            }
            b"candidatesTokensDetails" | b"responseTokensDetails" => {
                update(&mut reported.output_audio, modality(value, "AUDIO"));
            }
            _ => {}
        }
    }
}

pub(super) fn has_counts(raw: &[u8]) -> bool {
    let mut reported = Reported::default();
    read(raw, &mut reported);
    reported.is_some()
}

/// The count of one modality in a list of `{modality, tokenCount}`.
fn modality(raw: &[u8], wanted: &str) -> Option<u64> {
    let entries = Elements::at(raw, 0, 0)?.map_while(Result::ok).filter_map(|range| raw.get(range));
    let mut sum = None;
    for entry in entries {
        let (mut matches, mut tokens) = (false, None);
        for member in Members::of(entry).into_iter().flatten().map_while(Result::ok) {
            let Some(value) = entry.get(member.value) else { continue };
            match &*member.key {
                b"modality" => matches = string(value).is_some_and(|name| name == wanted),
                b"tokenCount" => tokens = count(value),
                _ => {}
            }
        }
        if let (true, Some(tokens)) = (matches, tokens) {
            sum = Some(tokens.saturating_add(sum.unwrap_or_default()));
        }
    }
    sum
}

pub(super) fn settle(reported: &Reported) -> Usage {
    let thoughts = reported.reasoning.unwrap_or_default();
    let prompt = reported.input.unwrap_or_default().saturating_add(reported.tool_input.unwrap_or_default());
    // The candidates' count may be left out; the total never is with it.
    let candidates = reported
        .output
        .unwrap_or_else(|| reported.total.unwrap_or_default().saturating_sub(prompt).saturating_sub(thoughts));
    Usage {
        output: candidates.saturating_add(thoughts),
        reasoning: thoughts,
        input_audio: reported.input_audio.unwrap_or_default(),
        output_audio: reported.output_audio.unwrap_or_default(),
        input_image: reported.input_image.unwrap_or_default(),
        ..Usage::of_prompt(prompt, reported.cache_read.unwrap_or_default(), 0, 0)
    }
}
