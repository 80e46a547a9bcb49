//! A response as a stream of typed, numbered events.

use super::super::super::answer::{Call, Finish, split};
use super::super::super::json::{Json, object};
use super::super::super::plan::{Chunk, Draft, Protocol};
use super::super::super::template::ID;
use super::super::super::usage::Generated;
use super::shape::{Shape, arguments};

impl Shape<'_> {
    pub(super) fn stream(&self) -> Draft {
        let mut events = Events::default();
        let nothing = Generated::default();
        for kind in ["response.created", "response.in_progress"] {
            let response = self.response("in_progress", &[], false);
            events.push(kind, object! {}.with("response", response), nothing, false);
        }
        let mut index = 0;
        if !self.answer.reasoning.is_empty() {
            self.reasoning_events(&mut events, index);
            index += 1;
        }
        if self.answer.calls.is_empty() {
            self.message_events(&mut events, index);
        }
        for (number, call) in self.answer.calls.iter().enumerate() {
            self.call_events(&mut events, index + number, number, call);
        }
        let all = self.answer.usage.generated();
        let kind = if self.cut().is_some() { "response.incomplete" } else { "response.completed" };
        events.push(kind, object! { "response": self.response("completed", &self.output(), true) }, all, false);
        Draft::stream(Protocol::OpenAi, "text/event-stream; charset=utf-8", events.chunks)
    }

    fn reasoning_events(&self, events: &mut Events, index: usize) {
        let nothing = Generated::default();
        let added = object! { "output_index": index, "item": self.reasoning(Vec::new()) };
        events.push("response.output_item.added", added, nothing, false);
        if self.summarises() {
            self.summary_events(events, index);
        }
        let done = object! { "output_index": index, "item": self.reasoning(self.summary()) };
        events.push("response.output_item.done", done, self.answer.thought(), !self.summarises());
    }

    fn summary_events(&self, events: &mut Events, index: usize) {
        let place = || object! { "item_id": format!("rs_{ID}"), "output_index": index, "summary_index": 0 };
        let part = |text: &str| object! { "type": "summary_text", "text": text };
        events.push(
            "response.reasoning_summary_part.added",
            place().with("part", part("")),
            Generated::default(),
            false,
        );
        for piece in self.answer.reasoning_pieces(3) {
            let body = place().with("delta", &piece.text);
            events.push("response.reasoning_summary_text.delta", body, piece.generated, true);
        }
        let text = &self.answer.reasoning;
        let thought = self.answer.thought();
        events.push("response.reasoning_summary_text.done", place().with("text", text), thought, false);
        events.push("response.reasoning_summary_part.done", place().with("part", part(text)), thought, false);
    }

    fn message_events(&self, events: &mut Events, index: usize) {
        let thought = self.answer.thought();
        let all = self.answer.usage.generated();
        let item = Self::message("in_progress", Vec::new());
        events.push("response.output_item.added", object! { "output_index": index, "item": item }, thought, false);
        let place = || object! { "item_id": format!("msg_{ID}"), "output_index": index, "content_index": 0 };
        events.push("response.content_part.added", place().with("part", self.part("")), thought, false);
        let refused = self.answer.finish == Finish::Refusal;
        let (delta, done) = if refused {
            ("response.refusal.delta", "response.refusal.done")
        } else {
            ("response.output_text.delta", "response.output_text.done")
        };
        for (number, piece) in self.answer.text_pieces(self.prompt.profile.chunks).iter().enumerate() {
            let padding = &"Lm2Qw9Zr5Tx8B"[number % 12..];
            let body = place().with("delta", &piece.text);
            let body =
                body.with_if(!refused, "logprobs", || self.logprobs(&piece.text).into()).with("obfuscation", padding);
            events.push(delta, body, piece.generated, true);
        }
        let text = &self.answer.text;
        let whole = if refused {
            place().with("refusal", text)
        } else {
            place().with("text", text).with("logprobs", self.logprobs(text))
        };
        events.push(done, whole, all, false);
        events.push("response.content_part.done", place().with("part", self.part(text)), all, false);
        let item = Self::message(self.message_status(), vec![self.part(text)]);
        events.push("response.output_item.done", object! { "output_index": index, "item": item }, all, false);
    }

    fn call_events(&self, events: &mut Events, index: usize, number: usize, call: &Call) {
        let all = self.answer.usage.generated();
        let (delta, done, field) = if call.custom {
            ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments")
        };
        let id = if call.custom { format!("ctc_{ID}{number}") } else { format!("fc_{ID}{number}") };
        let item = Self::call(number, call, "in_progress", "");
        events.push("response.output_item.added", object! { "output_index": index, "item": item }, all, true);
        let arguments = arguments(call);
        let place = || object! { "item_id": &id, "output_index": index };
        for part in split(&arguments, self.prompt.profile.chunks.min(4)) {
            events.push(delta, place().with("delta", part).with("obfuscation", "pad"), all, true);
        }
        let whole = place().with_if(!call.custom, "name", || (&call.name).into()).with(field, &arguments);
        events.push(done, whole, all, false);
        let item = Self::call(number, call, "completed", &arguments);
        events.push("response.output_item.done", object! { "output_index": index, "item": item }, all, false);
    }
}

/// Events with their type first and their sequence number.
#[derive(Default)]
struct Events {
    chunks: Vec<Chunk>,
}

impl Events {
    fn push(&mut self, kind: &'static str, body: Json, generated: Generated, paced: bool) {
        let mut fields = object! { "type": kind, "sequence_number": self.chunks.len() };
        if let (Json::Object(all), Json::Object(own)) = (&mut fields, body) {
            all.extend(own);
        }
        let mut text = format!("event: {kind}\ndata: ").into_bytes();
        text.extend(fields.to_bytes());
        text.extend_from_slice(b"\n\n");
        self.chunks.push(Chunk::new(text, generated, paced));
    }
}
