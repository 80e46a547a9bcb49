//! `generateContent`, `streamGenerateContent` (events or one JSON array) and `countTokens`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::answer::{Answer, Finish, answer};
use super::super::json::{Json, array, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::prompt::Prompt;
use super::super::template::{ID, owner_tag};
use super::super::usage::{Generated, Usage};
use super::input::SIGNATURE_START;

pub(super) fn whole(model: &str, prompt: &Prompt) -> Draft {
    let answer = answer(prompt);
    let shape = Shape { model, answer: &answer, prompt };
    let mut parts = Vec::new();
    if shape.shows_thoughts() {
        parts.push(object! { "text": &answer.reasoning, "thought": true });
    }
    if answer.calls.is_empty() {
        parts.push(shape.signed(object! { "text": &answer.text }));
    } else {
        parts.extend(shape.calls());
    }
    let body = shape.response(parts, Some(finish_reason(&answer.finish)), answer.usage.generated());
    Draft::json(Protocol::Gemini, &body).costing(answer.usage, model)
}

pub(super) fn stream(model: &str, prompt: &Prompt, sse: bool) -> Draft {
    let answer = answer(prompt);
    let shape = Shape { model, answer: &answer, prompt };
    let mut responses = Vec::new();
    if shape.shows_thoughts() {
        for piece in answer.reasoning_pieces(2) {
            let part = object! { "text": &piece.text, "thought": true };
            responses.push((shape.response(vec![part], None, piece.generated), piece.generated));
        }
    }
    let all = answer.usage.generated();
    let finish = finish_reason(&answer.finish);
    if answer.calls.is_empty() {
        for piece in answer.text_pieces(prompt.profile.chunks) {
            let part = object! { "text": &piece.text };
            responses.push((shape.response(vec![part], None, piece.generated), piece.generated));
        }
    } else {
        // A call is whole in its chunk.
        responses.push((shape.response(shape.calls(), None, all), all));
    }
    let last = if answer.calls.is_empty() {
        shape.signed(object! { "text": "" })
    } else {
        object! { "text": "" }
    };
    responses.push((shape.response(vec![last], Some(finish), all), all));
    let draft = if sse { events(&responses) } else { json_array(&responses) };
    draft.costing(answer.usage, model)
}

/// Lines end in CR LF here, unlike at the other providers.
fn events(responses: &[(Json, Generated)]) -> Draft {
    let last = responses.len() - 1;
    let event = |(index, (body, generated)): (usize, &(Json, Generated))| {
        let mut text = b"data: ".to_vec();
        text.extend(body.to_bytes());
        text.extend_from_slice(b"\r\n\r\n");
        Chunk::new(text, *generated, index != last)
    };
    Draft::stream(Protocol::Gemini, "text/event-stream", responses.iter().enumerate().map(event).collect())
}

fn json_array(responses: &[(Json, Generated)]) -> Draft {
    let last = responses.len() - 1;
    let element = |(index, (body, generated)): (usize, &(Json, Generated))| {
        let mut text = if index == 0 { b"[".to_vec() } else { b",\r\n".to_vec() };
        text.extend(body.to_bytes());
        if index == last {
            text.extend_from_slice(b"\n]");
        }
        Chunk::new(text, *generated, index != last)
    };
    let chunks = responses.iter().enumerate().map(element).collect();
    Draft::stream(Protocol::Gemini, "application/json; charset=UTF-8", chunks)
}

pub(super) fn count(model: &str, prompt: &Prompt) -> Draft {
    let usage = answer(prompt).usage;
    let body = object! { "totalTokens": usage.prompt(), "promptTokensDetails": modalities(&usage) };
    // Counting generates nothing and costs nothing.
    Draft::json(Protocol::Gemini, &body).costing(Usage::default(), model)
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        // Calls end in STOP too.
        Finish::Stop | Finish::StopSequence(_) | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    }
}

fn modalities(usage: &Usage) -> Json {
    let text = usage.prompt() - usage.image_input - usage.audio_input;
    let counts = [("TEXT", text), ("IMAGE", usage.image_input), ("AUDIO", usage.audio_input)];
    let told = counts.iter().filter(|(name, count)| *count > 0 || *name == "TEXT");
    told.map(|(name, count)| object! { "modality": *name, "tokenCount": *count }).collect::<Vec<_>>().into()
}

struct Shape<'a> {
    model: &'a str,
    answer: &'a Answer,
    prompt: &'a Prompt,
}

impl Shape<'_> {
    fn shows_thoughts(&self) -> bool {
        self.prompt.profile.reasoning_content && !self.answer.reasoning.is_empty()
    }

    /// Models that think sign the part that their thoughts led to.
    fn signed(&self, part: Json) -> Json {
        part.with_if(!self.answer.reasoning.is_empty(), "thoughtSignature", || {
            let rest = STANDARD.encode(format!("{:08x}", owner_tag(&self.answer.reasoning)));
            format!("{SIGNATURE_START}{rest}").into()
        })
    }

    fn calls(&self) -> Vec<Json> {
        let calls = self.answer.calls.iter().enumerate();
        calls
            .map(|(index, call)| {
                let function = object! { "name": &call.name, "args": call.arguments.clone() };
                let part = object! { "functionCall": function };
                if index == 0 { self.signed(part) } else { part }
            })
            .collect()
    }

    fn usage(&self, so_far: Generated) -> Json {
        let usage = &self.answer.usage;
        object! { "promptTokenCount": usage.prompt() }
            .with_if(so_far.output > so_far.reasoning, "candidatesTokenCount", || {
                (so_far.output - so_far.reasoning).into()
            })
            .with("totalTokenCount", usage.prompt() + so_far.output)
            .with_if(usage.cache_read > 0, "cachedContentTokenCount", || usage.cache_read.into())
            .with("promptTokensDetails", modalities(usage))
            .with_if(usage.cache_read > 0, "cacheTokensDetails", || {
                array![object! { "modality": "TEXT", "tokenCount": usage.cache_read }]
            })
            .with_if(so_far.reasoning > 0, "thoughtsTokenCount", || so_far.reasoning.into())
    }

    fn response(&self, parts: Vec<Json>, finish: Option<&'static str>, so_far: Generated) -> Json {
        let candidate = object! { "content": object! { "parts": parts, "role": "model" } }
            .with_if(finish.is_some(), "finishReason", || finish.into())
            .with("index", 0);
        let body = object! { "candidates": array![candidate] };
        let body = body.with_if(!self.prompt.profile.no_usage, "usageMetadata", || self.usage(so_far));
        body.with("modelVersion", self.model).with("responseId", ID)
    }
}
