//! Anthropic's usage object: `input_tokens` leaves out what the cache gave and took.

use crate::json::{Members, count};
use crate::usage::{Reported, Usage, update};

pub(super) fn read(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"input_tokens" => update(&mut reported.input, count(value)),
            b"output_tokens" => update(&mut reported.output, count(value)),
            b"cache_read_input_tokens" => update(&mut reported.cache_read, count(value)),
            b"cache_creation_input_tokens" => update(&mut reported.cache_write, count(value)),
            b"cache_creation" => cache_creation(value, reported),
            b"output_tokens_details" => output_details(value, reported),
            _ => {}
        }
    }
}

fn cache_creation(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        match &*member.key {
            b"ephemeral_5m_input_tokens" => update(&mut reported.cache_write_short, count(value)),
            b"ephemeral_1h_input_tokens" => update(&mut reported.cache_write_long, count(value)),
            _ => {}
        }
    }
}

fn output_details(raw: &[u8], reported: &mut Reported) {
    for member in Members::of(raw).into_iter().flatten().map_while(Result::ok) {
        let Some(value) = raw.get(member.value) else { continue };
        if *member.key == *b"thinking_tokens" {
            update(&mut reported.reasoning, count(value));
        }
    }
}

/// The last event restates the sum that was written to the cache, but not how it is made up: what grew since was
/// written for the short time, which is the default.
pub(super) fn settle(reported: &Reported) -> Usage {
    let long = reported.cache_write_long.unwrap_or_default();
    let parts = reported.cache_write_short.unwrap_or_default().saturating_add(long);
    let written = reported.cache_write.unwrap_or(parts);
    let cache_write_1h = long.min(written);
    let output = reported.output.unwrap_or_default();
    Usage {
        input_uncached: reported.input.unwrap_or_default(),
        cache_read: reported.cache_read.unwrap_or_default(),
        cache_write_5m: written - cache_write_1h,
        cache_write_1h,
        output,
        reasoning: reported.reasoning.unwrap_or_default().min(output),
        ..Usage::default()
    }
}
