//! A message as a stream of events: one content block open at a time.

use serde_json::Value;

use super::super::super::answer::{Call, split};
use super::super::super::json::{Json, object};
use super::super::super::plan::{Chunk, Draft, Protocol};
use super::super::super::usage::Generated;
use super::super::thinking::signature;
use super::shape::Shape;
use super::{stop_details, stop_reason, stop_sequence, tool_use, usage_json};

impl Shape<'_> {
    pub(super) fn stream(&self) -> Draft {
        let answer = self.answer;
        let mut events = Events::default();
        let first = Generated { output: 1, reasoning: 0 };
        let start = self.message(Vec::new(), None, usage_json(&answer.usage, first));
        events.push("message_start", object! { "message": start }, first, false);
        let mut index = 0;
        if !answer.reasoning.is_empty() {
            let empty = object! { "type": "thinking", "thinking": "", "signature": "" };
            events.open(index, empty, first);
            for piece in answer.reasoning_pieces(3).iter().filter(|_| !self.thinking.is_empty()) {
                let delta = object! { "type": "thinking_delta", "thinking": &piece.text };
                events.delta(index, delta, piece.generated, true);
            }
            let signed = object! { "type": "signature_delta", "signature": signature(self.thinking) };
            events.delta(index, signed, answer.thought(), false);
            events.close(index, answer.thought());
            index += 1;
            if let Some(block) = self.redacted() {
                events.open(index, block, answer.thought());
                events.close(index, answer.thought());
                index += 1;
            }
        }
        let thought = if answer.reasoning.is_empty() { first } else { answer.thought() };
        if answer.calls.is_empty() && !answer.text.is_empty() {
            events.open(index, object! { "type": "text", "text": "" }, thought);
            for piece in answer.text_pieces(self.prompt.profile.chunks) {
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
            "stop_details": stop_details(&answer.finish),
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
            for part in split(&call.arguments.to_string(), self.prompt.profile.chunks.min(4)) {
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
