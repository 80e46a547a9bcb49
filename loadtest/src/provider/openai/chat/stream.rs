//! A chat completion as a stream of chunks.

use super::super::super::answer::{Finish, split};
use super::super::super::json::{Json, NULL, array, object};
use super::super::super::plan::{Chunk, Draft, Protocol};
use super::super::super::template::{CREATED, ID};
use super::super::super::usage::Generated;
use super::shape::{Shape, arguments, called};
use super::{event, finish_reason, usage_json};

impl Shape<'_> {
    fn chunk(&self, choices: Vec<Json>, usage: Option<Json>, obfuscation: &str) -> Json {
        let body = object! {
            "id": format!("chatcmpl-{ID}"),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_51mu1a7ed0",
            "choices": choices,
        };
        let body = match usage {
            Some(usage) => body.with("usage", usage),
            None => body,
        };
        body.with("obfuscation", obfuscation)
    }

    pub(super) fn stream(&self, include_usage: bool) -> Draft {
        let mut chunks = Vec::new();
        let mut push = |choice: Json, generated: Generated, paced: bool| {
            let padding = &"qZ7Kx0LmN4pRt"[chunks.len() % 12..];
            let body = self.chunk(vec![choice], include_usage.then_some(NULL), padding);
            chunks.push(event(&body, generated, paced));
        };
        let choices = 0..self.prompt.choices;
        // The choices are generated side by side.
        let all_choices = |part: Generated| Generated {
            output: part.output * self.prompt.choices,
            reasoning: part.reasoning * self.prompt.choices,
        };
        let delta = |index: u64, delta: Json, finish: Json| {
            object! { "index": index, "delta": delta, "logprobs": NULL, "finish_reason": finish }
        };
        let said = |index: u64, delta: Json, logprobs: Json| {
            object! { "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": NULL }
        };
        let answer = self.answer;
        let thought = if self.prompt.profile.reasoning_content { Generated::default() } else { answer.thought() };
        for choice in choices.clone() {
            let first = if answer.calls.is_empty() { Json::from("") } else { NULL };
            let role = object! { "role": "assistant", "content": first, "refusal": NULL };
            push(delta(choice, role, NULL), all_choices(thought), false);
        }
        if self.prompt.profile.reasoning_content {
            for piece in answer.reasoning_pieces(4) {
                for choice in choices.clone() {
                    let part = object! { "content": NULL, "reasoning_content": &piece.text };
                    push(delta(choice, part, NULL), all_choices(piece.generated), true);
                }
            }
        }
        if answer.calls.is_empty() {
            let field = if answer.finish == Finish::Refusal { "refusal" } else { "content" };
            for piece in answer.text_pieces(self.prompt.profile.chunks) {
                for choice in choices.clone() {
                    let part = object! {}.with(field, &piece.text);
                    push(said(choice, part, self.logprobs(&piece.text)), all_choices(piece.generated), true);
                }
            }
        }
        self.call_chunks(&mut push, &delta);
        let all = Generated { output: self.usage.output, reasoning: self.usage.reasoning };
        for choice in choices {
            push(delta(choice, object! {}, finish_reason(&answer.finish).into()), all, false);
        }
        if include_usage && !self.prompt.profile.no_usage {
            chunks.push(event(&self.chunk(Vec::new(), Some(usage_json(&self.usage)), "ok"), all, false));
        }
        chunks.push(Chunk::new(&b"data: [DONE]\n\n"[..], all, false));
        Draft::stream(Protocol::OpenAi, "text/event-stream; charset=utf-8", chunks)
    }

    fn call_chunks(&self, push: &mut impl FnMut(Json, Generated, bool), delta: &impl Fn(u64, Json, Json) -> Json) {
        let calls = &self.answer.calls;
        let total = self.answer.usage.output - self.answer.usage.reasoning;
        for choice in 0..self.prompt.choices {
            for (index, call) in calls.iter().enumerate() {
                let generated = Generated {
                    output: self.usage.reasoning
                        + total * self.prompt.choices * (index as u64 + 1) / calls.len() as u64,
                    reasoning: self.usage.reasoning,
                };
                let mut head = object! { "index": index };
                if let (Json::Object(all), Json::Object(own)) = (&mut head, called(choice, index, call, "")) {
                    all.extend(own);
                }
                push(delta(choice, object! { "tool_calls": array![head] }, NULL), generated, true);
                for part in split(&arguments(call), self.prompt.profile.chunks.min(4)) {
                    let part = if call.custom {
                        object! { "index": index, "custom": object! { "input": part } }
                    } else {
                        object! { "index": index, "function": object! { "arguments": part } }
                    };
                    push(delta(choice, object! { "tool_calls": array![part] }, NULL), generated, true);
                }
            }
        }
    }
}
