//! OpenAI's usage object, in its four shapes: chat, responses, images, transcriptions. Those of other providers who
//! speak the protocol differ in small ways that are taken care of where they were seen.

use crate::json::{Members, count};
use crate::usage::{Reported, Usage, update};

pub(super) fn read(raw: &[u8], reported: &mut Reported) {
    let Some(members) = Members::of(raw) else { return };
    let mut cached_elsewhere = None;
    for member in members.map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"prompt_tokens" | b"input_tokens" => update(&mut reported.input, count(value)),
            b"completion_tokens" | b"output_tokens" => update(&mut reported.output, count(value)),
            b"total_tokens" => update(&mut reported.total, count(value)),
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                input_details(value, reported);
            }
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                output_details(value, reported);
            }
            // DeepSeek and Moonshot said it here before they had the details.
            b"prompt_cache_hit_tokens" | b"cached_tokens" => cached_elsewhere = count(value),
            _ => {}
        }
    }
    if reported.cache_read.is_none() {
        reported.cache_read = cached_elsewhere;
    }
}

fn input_details(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"cached_tokens" => update(&mut reported.cache_read, count(value)),
            b"cache_write_tokens" | b"cache_creation_tokens" => update(&mut reported.cache_write, count(value)),
            b"cache_write_tokens_details" => write_details(value, reported),
            b"audio_tokens" => update(&mut reported.input_audio, count(value)),
            b"image_tokens" => update(&mut reported.input_image, count(value)),
            _ => {}
        }
    }
}

fn write_details(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"ttl_30m_tokens" => update(&mut reported.cache_write_short, count(value)),
            b"ttl_12h_tokens" => update(&mut reported.cache_write_long, count(value)),
            _ => {}
        }
    }
}

fn output_details(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"reasoning_tokens" => update(&mut reported.reasoning, count(value)),
            b"audio_tokens" => update(&mut reported.output_audio, count(value)),
            _ => {}
        }
    }
}

/// The prompt includes what the cache gave and took.
pub(super) fn settle(reported: &Reported) -> Usage {
    let output = output(reported);
    let prompt =
        reported.input.or_else(|| reported.total.map(|total| total.saturating_sub(output))).unwrap_or_default();
    let long = reported.cache_write_long.unwrap_or_default();
    let written =
        reported.cache_write.unwrap_or_else(|| reported.cache_write_short.unwrap_or_default().saturating_add(long));
    let long = long.min(written);
    Usage {
        output,
        reasoning: reported.reasoning.unwrap_or_default().min(output),
        input_audio: reported.input_audio.unwrap_or_default(),
        output_audio: reported.output_audio.unwrap_or_default(),
        input_image: reported.input_image.unwrap_or_default(),
        ..Usage::of_prompt(prompt, reported.cache_read.unwrap_or_default(), written - long, long)
    }
}

/// OpenAI's output includes reasoning. xAI's does not: its total is then the sum of all three.
fn output(reported: &Reported) -> u64 {
    let output = reported.output.unwrap_or_default();
    let reasoning = reported.reasoning.unwrap_or_default();
    let apart = output.saturating_add(reasoning);
    let total_is_apart = reported.total == Some(reported.input.unwrap_or_default().saturating_add(apart));
    if reasoning > output || (reasoning > 0 && total_is_apart) { apart } else { output }
}
