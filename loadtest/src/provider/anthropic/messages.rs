//! `/v1/messages`, whole and streamed, and `/v1/messages/count_tokens`.

use serde_json::Value;

use super::super::answer::{Answer, Call, Finish, answer, split};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::json::{Json, NULL, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::template::ID;
use super::super::usage::{Generated, Usage};
use super::input::{prompt, signature};

pub(crate) fn plan(context: &Context, body: &Value, bytes: &[u8]) -> Result<Draft, ApiError> {
    if body.get("max_tokens").and_then(Value::as_u64).is_none_or(|limit| limit == 0) {
        return Err(ApiError::new(400, "max_tokens: Field required"));
    }
    let prompt = prompt(context, body, bytes)?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let answer = answer(&prompt);
    let shape = Shape { model, answer: &answer, chunks: prompt.profile.chunks };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        shape.stream()
    } else {
        let usage = usage_json(&answer.usage, answer.usage.generated());
        Draft::json(Protocol::Anthropic, &shape.message(shape.content(), Some(&answer.finish), usage))
    };
    Ok(draft.costing(answer.usage, model))
}

pub(crate) fn count(context: &Context, body: &Value, bytes: &[u8]) -> Result<Draft, ApiError> {
    let prompt = prompt(context, body, bytes)?;
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let body = object! { "input_tokens": answer(&prompt).usage.prompt() };
    // Counting generates nothing and costs nothing.
    Ok(Draft::json(Protocol::Anthropic, &body).costing(Usage::default(), model))
}

fn stop_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Refusal => "refusal",
    }
}

fn stop_sequence(finish: &Finish) -> Json {
    match finish {
        Finish::StopSequence(sequence) => sequence.into(),
        _ => NULL,
    }
}

fn usage_json(usage: &Usage, so_far: Generated) -> Json {
    object! {
        "input_tokens": usage.input_uncached,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": object! {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": so_far.output,
    }
    .with_if(so_far.reasoning > 0, "output_tokens_details", || object! { "thinking_tokens": so_far.reasoning })
    .with("service_tier", "standard")
    .with("inference_geo", "not_available")
}

fn tool_use(index: usize, call: &Call, input: Value) -> Json {
    object! { "type": "tool_use", "id": format!("toolu_{ID}{index}"), "name": &call.name, "input": input }
}

struct Shape<'a> {
    model: &'a str,
    answer: &'a Answer,
    chunks: u32,
}

impl Shape<'_> {
    fn message(&self, content: Vec<Json>, finish: Option<&Finish>, usage: Json) -> Json {
        object! {
            "model": self.model,
            "id": format!("msg_{ID}"),
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": finish.map(stop_reason),
            "stop_sequence": finish.map(stop_sequence),
            "usage": usage,
        }
    }

    fn content(&self) -> Vec<Json> {
        let answer = self.answer;
        let mut content = Vec::new();
        if !answer.reasoning.is_empty() {
            content.push(object! {
                "type": "thinking", "thinking": &answer.reasoning, "signature": signature(&answer.reasoning),
            });
        }
        if answer.calls.is_empty() && !answer.text.is_empty() {
            content.push(object! { "type": "text", "text": &answer.text });
        }
        let calls = answer.calls.iter().enumerate();
        content.extend(calls.map(|(index, call)| tool_use(index, call, call.arguments.clone())));
        content
    }

    fn stream(&self) -> Draft {
        let answer = self.answer;
        let mut events = Events::default();
        let first = Generated { output: 1, reasoning: 0 };
        let start = self.message(Vec::new(), None, usage_json(&answer.usage, first));
        events.push("message_start", object! { "message": start }, first, false);
        let mut index = 0;
        if !answer.reasoning.is_empty() {
            let empty = object! { "type": "thinking", "thinking": "", "signature": "" };
            events.open(index, empty, first);
            for piece in answer.reasoning_pieces(3) {
                let delta = object! { "type": "thinking_delta", "thinking": &piece.text };
                events.delta(index, delta, piece.generated, true);
            }
            let signed = object! { "type": "signature_delta", "signature": signature(&answer.reasoning) };
            events.delta(index, signed, answer.thought(), false);
            events.close(index, answer.thought());
            index += 1;
        }
        let thought = if answer.reasoning.is_empty() { first } else { answer.thought() };
        if answer.calls.is_empty() && !answer.text.is_empty() {
            events.open(index, object! { "type": "text", "text": "" }, thought);
            for piece in answer.text_pieces(self.chunks) {
                events.delta(index, object! { "type": "text_delta", "text": &piece.text }, piece.generated, true);
            }
            events.close(index, answer.usage.generated());
        }
        for (number, call) in answer.calls.iter().enumerate() {
            self.call_events(&mut events, index + number, number, call);
        }
        let all = answer.usage.generated();
        let delta = object! {
            "stop_reason": stop_reason(&answer.finish), "stop_sequence": stop_sequence(&answer.finish),
        };
        let usage = object! {
            "input_tokens": answer.usage.input_uncached,
            "cache_creation_input_tokens": answer.usage.cache_write_5m + answer.usage.cache_write_1h,
            "cache_read_input_tokens": answer.usage.cache_read,
            "output_tokens": all.output,
        }
        .with_if(all.reasoning > 0, "output_tokens_details", || object! { "thinking_tokens": all.reasoning });
        events.push("message_delta", object! { "delta": delta, "usage": usage }, all, false);
        events.push("message_stop", object! {}, all, false);
        Draft::stream(Protocol::Anthropic, "text/event-stream; charset=utf-8", events.chunks)
    }

    fn call_events(&self, events: &mut Events, index: usize, number: usize, call: &Call) {
        let usage = self.answer.usage;
        let said = usage.output - usage.reasoning;
        let output = usage.reasoning + said * (number as u64 + 1) / self.answer.calls.len() as u64;
        let generated = Generated { output, reasoning: usage.reasoning };
        events.open(index, tool_use(number, call, Value::Object(serde_json::Map::new())), generated);
        let json = |text: &str| object! { "type": "input_json_delta", "partial_json": text };
        events.delta(index, json(""), generated, false);
        // A call without arguments has no delta but the empty one.
        if call.arguments.as_object().is_some_and(|arguments| !arguments.is_empty()) {
            for part in split(&call.arguments.to_string(), self.chunks.min(4)) {
                events.delta(index, json(&part), generated, true);
            }
        }
        events.close(index, generated);
    }
}

/// Events with their name on a line of its own, which the SDKs dispatch on.
#[derive(Default)]
struct Events {
    chunks: Vec<Chunk>,
}

impl Events {
    fn push(&mut self, kind: &'static str, body: Json, generated: Generated, paced: bool) {
        let mut fields = object! { "type": kind };
        if let (Json::Object(all), Json::Object(own)) = (&mut fields, body) {
            all.extend(own);
        }
        let mut text = format!("event: {kind}\ndata: ").into_bytes();
        text.extend(fields.to_bytes());
        text.extend_from_slice(b"\n\n");
        self.chunks.push(Chunk::new(text, generated, paced));
    }

    fn open(&mut self, index: usize, block: Json, generated: Generated) {
        let body = object! { "index": index, "content_block": block };
        self.push("content_block_start", body, generated, false);
        if index == 0 {
            self.push("ping", object! {}, generated, false);
        }
    }

    fn delta(&mut self, index: usize, delta: Json, generated: Generated, paced: bool) {
        self.push("content_block_delta", object! { "index": index, "delta": delta }, generated, paced);
    }

    fn close(&mut self, index: usize, generated: Generated) {
        self.push("content_block_stop", object! { "index": index }, generated, false);
    }
}
