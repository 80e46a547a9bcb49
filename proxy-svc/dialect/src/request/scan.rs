//! The scan of a JSON body.

use std::ops::Range;

use super::{Malformed, OptionsShape, RequestScan, ShortSpan, Spans, StreamOptions};
use crate::json::{Elements, Members, count, skip_whitespace, string};

/// Checks that a body is one JSON object and reads what the gateway must know of it.
///
/// It accepts what `serde_json` accepts as an object (UTF-8 throughout, at most 127 containers deep), and never
/// panics.
pub fn scan(body: &[u8]) -> Result<RequestScan<'_>, Malformed> {
    std::str::from_utf8(body).map_err(|error| Malformed { at: error.valid_up_to(), what: "invalid UTF-8" })?;
    let Some(mut members) = Members::at(body, 0, 0) else {
        return Err(Malformed { at: skip_whitespace(body, 0), what: "a JSON object is expected" });
    };
    let mut scan = RequestScan { insert_at: members.position(), is_empty: true, ..RequestScan::default() };
    for member in &mut members {
        let member = member?;
        scan.is_empty = false;
        if let Some(value) = body.get(member.value.clone()) {
            take(&mut scan, &member.key, value, member.value);
        }
    }
    let end = skip_whitespace(body, members.position());
    if end < body.len() {
        return Err(Malformed { at: end, what: "something follows the JSON object" });
    }
    Ok(scan)
}

fn take<'a>(scan: &mut RequestScan<'a>, key: &[u8], value: &'a [u8], span: Range<usize>) {
    match key {
        b"model" => {
            let model = string(value);
            scan.has_several_models |= !scan.model_spans.is_empty() && model != scan.model;
            scan.model = model;
            scan.mistyped = (scan.model.is_none() && value != b"null").then_some("model");
            scan.model_spans.push(span);
        }
        b"stream" => scan.stream = boolean(value),
        b"stream_options" => scan.stream_options = Some(stream_options(value, span)),
        b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => limit(scan, value),
        b"generationConfig" | b"generation_config" => generation_config(scan, value),
        // Of what stands there twice, what costs more: who can tell which one the provider goes by?
        b"n" | b"best_of" => choices(scan, value),
        b"prompt" => scan.prompts = scan.prompts.max(prompts(value)),
        b"store" => scan.store = boolean(value),
        b"previous_response_id" => scan.has_previous_response_id = value != b"null",
        b"prompt_cache_key" => scan.prompt_cache_key = ShortSpan::of(&span),
        b"metadata" => scan.metadata = ShortSpan::of(&span),
        b"background" => scan.background = scan.background.max(boolean(value)),
        b"requests" => batched(&mut scan.inner_model_spans, value, span.start),
        b"generateContentRequest" | b"generate_content_request" => {
            inner_model(&mut scan.inner_model_spans, value, span.start);
        }
        _ => {}
    }
}

fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn limit(scan: &mut RequestScan<'_>, value: &[u8]) {
    scan.max_output_tokens = scan.max_output_tokens.max(number(value));
}

fn choices(scan: &mut RequestScan<'_>, value: &[u8]) {
    scan.choices = scan.choices.max(number(value));
}

/// A count, also one that is written as a string: so Google's APIs read it, too.
fn number(value: &[u8]) -> Option<u64> {
    if value.first() != Some(&b'"') {
        return count(value);
    }
    count(string(value)?.trim().as_bytes())
}

/// How many prompts a legacy completion has: a list of texts or of lists of tokens, of which each is answered. A list of
/// numbers is one prompt.
fn prompts(value: &[u8]) -> Option<u64> {
    let mut each = Elements::at(value, 0, 0)?.map_while(Result::ok);
    let first = each.next().and_then(|range| value.get(range.start).copied());
    matches!(first, Some(b'"' | b'[')).then(|| 1 + each.count() as u64)
}

fn stream_options(value: &[u8], span: Range<usize>) -> StreamOptions {
    let Some(members) = Members::of(value) else {
        let shape = if value == b"null" { OptionsShape::Null } else { OptionsShape::Other };
        return StreamOptions { span, include_usage: None, shape };
    };
    let (mut is_empty, mut asked, mut place) = (true, None, None);
    for member in members.map_while(Result::ok) {
        is_empty = false;
        if *member.key == *b"include_usage" {
            asked = value.get(member.value.clone()).and_then(boolean);
            place = Some(span.start + member.value.start..span.start + member.value.end);
        }
    }
    StreamOptions { span, include_usage: asked, shape: OptionsShape::Object { is_empty, include_usage: place } }
}

fn generation_config(scan: &mut RequestScan<'_>, value: &[u8]) {
    for member in Members::of(value).into_iter().flatten().map_while(Result::ok) {
        let Some(inner) = value.get(member.value) else { continue };
        match &*member.key {
            b"maxOutputTokens" | b"max_output_tokens" => limit(scan, inner),
            b"candidateCount" | b"candidate_count" => choices(scan, inner),
            _ => {}
        }
    }
}

/// Gemini's `requests[].model`, Anthropic's `requests[].params.model`.
fn batched(spans: &mut Spans, value: &[u8], offset: usize) {
    for range in Elements::at(value, 0, 0).into_iter().flatten().map_while(Result::ok) {
        let start = offset + range.start;
        let Some(request) = value.get(range) else { continue };
        inner_model(spans, request, start);
        for member in Members::of(request).into_iter().flatten().map_while(Result::ok) {
            if let (b"params", Some(params)) = (&*member.key, request.get(member.value.clone())) {
                inner_model(spans, params, start + member.value.start);
            }
        }
    }
}

fn inner_model(spans: &mut Spans, value: &[u8], offset: usize) {
    for member in Members::of(value).into_iter().flatten().map_while(Result::ok) {
        if *member.key == *b"model" {
            spans.push(offset + member.value.start..offset + member.value.end);
        }
    }
}
