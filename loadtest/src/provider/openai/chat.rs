//! `/v1/chat/completions`, whole and streamed.

use serde_json::Value;

use super::super::answer::{Answer, Finish, answer, split};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, array, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::profile::Profile;
use super::super::prompt::strings;
use super::super::template::{CREATED, ID};
use super::super::usage::{Generated, Usage};
use super::{model, unsupported, within};

mod input;

const MAX_CHOICES: u64 = 16;

pub(crate) fn plan(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    unsupported(name, body, "max_tokens", " Use 'max_completion_tokens' instead.")?;
    within(body, "temperature", 0.0, 2.0)?;
    within(body, "top_p", 0.0, 1.0)?;
    let prompt = input::prompt(context, body, profile, &incoming.body)?;
    let choices = body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_CHOICES);
    let answer = answer(&prompt);
    let mut usage = answer.usage;
    usage.output *= choices;
    usage.reasoning *= choices;
    let speech = body.get("audio").filter(|_| strings(body.get("modalities")).iter().any(|kind| kind == "audio"));
    if speech.is_some() {
        usage.audio_output = usage.output - usage.reasoning;
    }
    let shape = Shape { model: name, profile: &prompt.profile, answer: &answer, choices, usage };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        let include_usage = body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true);
        shape.stream(include_usage)
    } else {
        shape.whole(speech.is_some())
    };
    Ok(draft.costing(usage, name))
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    }
}

/// Usage as chat completions tell it: the prompt includes what was cached, the completion what was thought.
pub(super) fn usage_json(usage: &Usage) -> Json {
    object! {
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt() + usage.output,
        "prompt_tokens_details": object! {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": object! {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
}

struct Shape<'a> {
    model: &'a str,
    profile: &'a Profile,
    answer: &'a Answer,
    choices: u64,
    usage: Usage,
}

impl Shape<'_> {
    fn calls(&self, choice: u64) -> Vec<Json> {
        let call = |(index, call): (usize, &super::super::answer::Call)| {
            object! {
                "id": format!("call_{ID}{choice}{index}"),
                "type": "function",
                "function": object! { "name": &call.name, "arguments": call.arguments.to_string() },
            }
        };
        self.answer.calls.iter().enumerate().map(call).collect()
    }

    fn whole(&self, speech: bool) -> Draft {
        let answer = self.answer;
        let refused = answer.finish == Finish::Refusal;
        let choice = |index: u64| {
            let said = if answer.text.is_empty() || refused || speech { NULL } else { Json::from(&answer.text) };
            let message = object! { "role": "assistant", "content": said }
                .with_if(self.profile.reasoning_content, "reasoning_content", || Json::from(&answer.reasoning))
                .with_if(!answer.calls.is_empty(), "tool_calls", || self.calls(index).into())
                .with("refusal", refused.then_some(&answer.text))
                .with_if(speech, "audio", || {
                    object! {
                        "id": format!("audio_{ID}"), "data": "UklGRiQAAABXQVZFZm10IA==", "expires_at": CREATED,
                        "transcript": &answer.text,
                    }
                })
                .with("annotations", array![]);
            object! {
                "index": index, "message": message, "logprobs": NULL, "finish_reason": finish_reason(&answer.finish),
            }
        };
        let body = object! {
            "id": format!("chatcmpl-{ID}"),
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
        }
        .with_if(!self.profile.no_usage, "usage", || usage_json(&self.usage))
        .with("service_tier", "default")
        .with("system_fingerprint", "fp_51mu1a7ed0");
        Draft::json(Protocol::OpenAi, &body)
    }

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

    fn stream(&self, include_usage: bool) -> Draft {
        let mut chunks = Vec::new();
        let mut push = |choice: Json, generated: Generated, paced: bool| {
            let padding = &"qZ7Kx0LmN4pRt"[chunks.len() % 12..];
            let body = self.chunk(vec![choice], include_usage.then_some(NULL), padding);
            chunks.push(event(&body, generated, paced));
        };
        let choices = 0..self.choices;
        // The choices are generated side by side.
        let all_choices = |part: Generated| Generated {
            output: part.output * self.choices,
            reasoning: part.reasoning * self.choices,
        };
        let delta = |index: u64, delta: Json, finish: Json| {
            object! { "index": index, "delta": delta, "logprobs": NULL, "finish_reason": finish }
        };
        let answer = self.answer;
        let thought = if self.profile.reasoning_content { Generated::default() } else { answer.thought() };
        for choice in choices.clone() {
            let first = if answer.calls.is_empty() { Json::from("") } else { NULL };
            let role = object! { "role": "assistant", "content": first, "refusal": NULL };
            push(delta(choice, role, NULL), all_choices(thought), false);
        }
        if self.profile.reasoning_content {
            for piece in answer.reasoning_pieces(4) {
                for choice in choices.clone() {
                    let part = object! { "content": NULL, "reasoning_content": &piece.text };
                    push(delta(choice, part, NULL), all_choices(piece.generated), true);
                }
            }
        }
        if answer.calls.is_empty() {
            let field = if answer.finish == Finish::Refusal { "refusal" } else { "content" };
            for piece in answer.text_pieces(self.profile.chunks) {
                for choice in choices.clone() {
                    push(delta(choice, object! {}.with(field, &piece.text), NULL), all_choices(piece.generated), true);
                }
            }
        }
        self.call_chunks(&mut push, &delta);
        let all = Generated { output: self.usage.output, reasoning: self.usage.reasoning };
        for choice in choices {
            push(delta(choice, object! {}, finish_reason(&answer.finish).into()), all, false);
        }
        if include_usage && !self.profile.no_usage {
            chunks.push(event(&self.chunk(Vec::new(), Some(usage_json(&self.usage)), "ok"), all, false));
        }
        chunks.push(Chunk::new(&b"data: [DONE]\n\n"[..], all, false));
        Draft::stream(Protocol::OpenAi, "text/event-stream; charset=utf-8", chunks)
    }

    fn call_chunks(&self, push: &mut impl FnMut(Json, Generated, bool), delta: &impl Fn(u64, Json, Json) -> Json) {
        let calls = &self.answer.calls;
        let total = self.answer.usage.output - self.answer.usage.reasoning;
        for choice in 0..self.choices {
            for (index, call) in calls.iter().enumerate() {
                let generated = Generated {
                    output: self.usage.reasoning + total * self.choices * (index as u64 + 1) / calls.len() as u64,
                    reasoning: self.usage.reasoning,
                };
                let head = object! {
                    "index": index, "id": format!("call_{ID}{choice}{index}"), "type": "function",
                    "function": object! { "name": &call.name, "arguments": "" },
                };
                push(delta(choice, object! { "tool_calls": array![head] }, NULL), generated, true);
                let arguments = call.arguments.to_string();
                for part in split(&arguments, self.profile.chunks.min(4)) {
                    let part = object! { "index": index, "function": object! { "arguments": part } };
                    push(delta(choice, object! { "tool_calls": array![part] }, NULL), generated, true);
                }
            }
        }
    }
}

/// One `data:` event.
pub(super) fn event(body: &Json, generated: Generated, paced: bool) -> Chunk {
    let mut text = b"data: ".to_vec();
    text.extend(body.to_bytes());
    text.extend_from_slice(b"\n\n");
    Chunk::new(text, generated, paced)
}
