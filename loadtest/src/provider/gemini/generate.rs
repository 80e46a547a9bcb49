//! `generateContent`, `streamGenerateContent` (events or one JSON array) and `countTokens`.

use super::super::answer::answer;
use super::super::json::{Json, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::prompt::Prompt;
use super::super::usage::{Generated, Usage};

mod shape;

use shape::{Shape, modalities};

pub(super) fn whole(model: &str, prompt: &Prompt) -> Draft {
    let answer = answer(prompt);
    let shape = Shape { model, answer: &answer, prompt };
    if prompt.profile.blocked {
        return Draft::json(Protocol::Gemini, &shape.blocked()).costing(shape.prompt_alone(), model);
    }
    let mut parts = Vec::new();
    if shape.shows_thoughts() {
        parts.push(object! { "text": &answer.reasoning, "thought": true });
    }
    if !answer.calls.is_empty() {
        parts.extend(shape.calls());
    } else if !answer.text.is_empty() {
        parts.push(shape.signed(object! { "text": &answer.text }));
    }
    let body = shape.response(&parts, &answer.text, true, answer.usage.generated());
    Draft::json(Protocol::Gemini, &body).costing(answer.usage_of(prompt.choices), model)
}

pub(super) fn stream(model: &str, prompt: &Prompt, sse: bool) -> Draft {
    let answer = answer(prompt);
    let shape = Shape { model, answer: &answer, prompt };
    let (responses, usage) = if prompt.profile.blocked {
        (vec![(shape.blocked(), Generated::default())], shape.prompt_alone())
    } else {
        (shape.stream(), answer.usage_of(prompt.choices))
    };
    let draft = if sse { events(&responses) } else { json_array(&responses) };
    draft.costing(usage, model)
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
    let answer = answer(prompt);
    let body = object! { "totalTokens": answer.usage.prompt(), "promptTokensDetails": modalities(&answer) };
    // Counting generates nothing and costs nothing.
    Draft::json(Protocol::Gemini, &body).costing(Usage::default(), model)
}
