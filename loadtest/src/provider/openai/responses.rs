//! `/v1/responses`, whole and streamed.

use serde_json::{Value, json};

use super::super::answer::{Answer, Call, Finish, answer, split};
use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, array, object};
use super::super::plan::{Chunk, Draft, Protocol};
use super::super::profile::Profile;
use super::super::prompt::{Format, Prompt, Tool, ToolChoice};
use super::super::template::{CREATED, ID};
use super::super::usage::{Generated, Usage};
use super::{model, stored, unsupported, within};

pub(crate) fn plan(context: &Context, incoming: &Incoming, body: &Value) -> Result<Draft, ApiError> {
    let (name, profile) = model(context, body)?;
    within(body, "temperature", 0.0, 2.0)?;
    unsupported(name, body, "temperature", "")?;
    if let Some(id) = body.get("previous_response_id").and_then(Value::as_str) {
        stored::check_owner(context, id, "resp_").map_err(|()| {
            ApiError::invalid("previous_response_id", format!("Previous response with id '{id}' not found."))
                .code("previous_response_not_found")
        })?;
    }
    let prompt = prompt(context, body, profile, &incoming.body)?;
    let answer = answer(&prompt);
    let shape = Shape { model: name, request: body, answer: &answer, profile: &prompt.profile };
    let draft = if body.get("stream").and_then(Value::as_bool) == Some(true) {
        shape.stream()
    } else {
        Draft::json(Protocol::OpenAi, &shape.response("completed", &shape.output(), true))
    };
    Ok(draft.costing(answer.usage, name))
}

/// Looking at, or deleting, a response of earlier.
pub(crate) fn stored(context: &Context, method: &str, id: &str) -> Result<Draft, ApiError> {
    let shelf = &context.shared.stored;
    let missing = || ApiError::new(404, format!("Response with id '{id}' not found."));
    match method {
        "GET" => {
            let body = shelf.response(context, id).ok_or_else(missing)?;
            Ok(Draft::bytes(Protocol::OpenAi, "application/json", body))
        }
        "DELETE" => {
            shelf.remove_response(context, id).ok_or_else(missing)?;
            let body = object! { "id": id, "object": "response", "deleted": true };
            Ok(Draft::json(Protocol::OpenAi, &body))
        }
        _ => Err(ApiError::new(405, format!("Not allowed to {method} on /v1/responses/{id}."))),
    }
}

fn prompt(context: &Context, body: &Value, profile: Profile, bytes: &[u8]) -> Result<Prompt, ApiError> {
    let mut prompt = Prompt::new(profile, bytes);
    prompt.text(body.get("instructions").and_then(Value::as_str).unwrap_or_default());
    match body.get("input") {
        Some(Value::String(text)) => {
            prompt.user_text(text);
            prompt.messages = 1;
        }
        Some(Value::Array(items)) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                input_item(context, &mut prompt, item, index)?;
            }
        }
        _ => {
            let message = "Missing required parameter: 'input'.";
            return Err(ApiError::invalid("input", message).code("missing_required_parameter"));
        }
    }
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let Some(tool_name) = tool.get("name").and_then(Value::as_str) else { continue };
        match tool.get("type").and_then(Value::as_str) {
            Some("custom") => {
                prompt.tools.push(Tool { name: tool_name.to_owned(), schema: Value::Null, custom: true });
            }
            _ => prompt.tool(tool_name, tool.get("parameters")),
        }
    }
    prompt.tool_choice = match body.get("tool_choice") {
        Some(Value::String(word)) if word == "none" => ToolChoice::None,
        Some(Value::String(word)) if word == "required" => ToolChoice::Required,
        Some(choice) => match choice.get("name").and_then(Value::as_str) {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => ToolChoice::Auto,
        },
        None => ToolChoice::Auto,
    };
    prompt.parallel_allowed = body.get("parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true);
    prompt.format = match body.pointer("/text/format/type").and_then(Value::as_str) {
        Some("json_object") => Format::JsonObject,
        Some("json_schema") => Format::JsonSchema(body.pointer("/text/format/schema").cloned().unwrap_or_default()),
        _ => Format::Text,
    };
    prompt.max_output_tokens = body.get("max_output_tokens").and_then(Value::as_u64);
    prompt.reasoning |=
        body.pointer("/reasoning/effort").and_then(Value::as_str).is_some_and(|effort| effort != "none");
    Ok(prompt)
}

fn input_item(context: &Context, prompt: &mut Prompt, item: &Value, index: usize) -> Result<(), ApiError> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
    prompt.messages += 1;
    prompt.ends_with_tool_result = matches!(kind, "function_call_output" | "custom_tool_call_output");
    if kind != "message" {
        prompt.text_bytes += item.to_string().len();
        return Ok(());
    }
    let by_user = item.get("role").and_then(Value::as_str) == Some("user");
    if by_user {
        prompt.last_user_text.clear();
    }
    let say = |prompt: &mut Prompt, text: &str| if by_user { prompt.user_text(text) } else { prompt.text(text) };
    match item.get("content") {
        Some(Value::String(text)) => say(prompt, text),
        Some(Value::Array(parts)) => {
            for part in parts {
                match part.get("type").and_then(Value::as_str).unwrap_or_default() {
                    "input_text" | "output_text" | "refusal" => {
                        say(prompt, part.get("text").and_then(Value::as_str).unwrap_or_default());
                    }
                    "input_image" | "input_file" => {
                        stored::check_file(context, part.get("file_id"))?;
                        prompt.images += 1;
                    }
                    "input_audio" => prompt.audios += 1,
                    other => {
                        let message = format!(
                            "Invalid value: '{other}'. Supported values are: 'input_text', 'input_image', 'output_text', 'refusal', 'input_file', 'computer_screenshot', and 'summary_text'."
                        );
                        return Err(ApiError::invalid(format!("input[{index}].content"), message).code("invalid_value"));
                    }
                }
            }
        }
        _ => {
            let message = format!("Missing required parameter: 'input[{index}].content'.");
            return Err(
                ApiError::invalid(format!("input[{index}].content"), message).code("missing_required_parameter")
            );
        }
    }
    Ok(())
}

fn usage_json(usage: &Usage) -> Json {
    object! {
        "input_tokens": usage.prompt(),
        "input_tokens_details": object! {
            "cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write_5m,
        },
        "output_tokens": usage.output,
        "output_tokens_details": object! { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.prompt() + usage.output,
    }
}

struct Shape<'a> {
    model: &'a str,
    request: &'a Value,
    answer: &'a Answer,
    profile: &'a Profile,
}

impl Shape<'_> {
    fn given(&self, name: &str, otherwise: Value) -> Value {
        self.request.get(name).filter(|value| !value.is_null()).cloned().unwrap_or(otherwise)
    }

    fn response(&self, status: &str, output: &[Json], ended: bool) -> Json {
        let cut = ended && self.answer.finish == Finish::Length;
        let incomplete = cut.then(|| object! { "reason": "max_output_tokens" });
        object! {
            "id": format!("resp_{ID}"),
            "object": "response",
            "created_at": CREATED,
            "status": if cut { "incomplete" } else { status },
            "background": false,
            "error": NULL,
            "incomplete_details": incomplete,
            "instructions": self.given("instructions", Value::Null),
            "max_output_tokens": self.given("max_output_tokens", Value::Null),
            "max_tool_calls": NULL,
            "model": self.model,
            "output": output.to_vec(),
            "parallel_tool_calls": self.given("parallel_tool_calls", json!(true)),
            "previous_response_id": self.given("previous_response_id", Value::Null),
            "prompt_cache_key": self.given("prompt_cache_key", Value::Null),
            "reasoning": self.given("reasoning", json!({ "effort": null, "summary": null })),
            "safety_identifier": NULL,
            "service_tier": if ended { "default" } else { "auto" },
            "store": self.given("store", json!(true)),
            "temperature": self.given("temperature", json!(1.0)),
            "text": self.given("text", json!({ "format": { "type": "text" }, "verbosity": "medium" })),
            "tool_choice": self.given("tool_choice", json!("auto")),
            "tools": self.given("tools", json!([])),
            "top_logprobs": 0,
            "top_p": self.given("top_p", json!(1.0)),
            "truncation": "disabled",
            "usage": (ended && !self.profile.no_usage).then(|| usage_json(&self.answer.usage)),
            "user": NULL,
            "metadata": self.given("metadata", json!({})),
        }
    }

    fn reasoning(&self) -> Json {
        let item = object! {
            "id": format!("rs_{ID}"),
            "type": "reasoning",
            "summary": array![object! { "type": "summary_text", "text": &self.answer.reasoning }],
        };
        let include = self.request.get("include").and_then(Value::as_array).into_iter().flatten();
        let encrypted = include.into_iter().any(|what| what == "reasoning.encrypted_content");
        item.with_if(encrypted, "encrypted_content", || {
            format!("gAAAAAsimulated{:016x}==", self.answer.usage.reasoning).into()
        })
    }

    fn message(status: &str, content: Vec<Json>) -> Json {
        object! {
            "id": format!("msg_{ID}"), "type": "message", "status": status, "content": content, "role": "assistant",
        }
    }

    fn part(&self, text: &str) -> Json {
        if self.answer.finish == Finish::Refusal {
            return object! { "type": "refusal", "refusal": text };
        }
        object! { "type": "output_text", "annotations": array![], "logprobs": array![], "text": text }
    }

    fn call(index: usize, call: &Call, status: &str, arguments: &str) -> Json {
        if call.custom {
            return object! {
                "id": format!("ctc_{ID}{index}"), "type": "custom_tool_call", "status": status,
                "call_id": format!("call_{ID}{index}"), "input": arguments, "name": &call.name,
            };
        }
        object! {
            "id": format!("fc_{ID}{index}"), "type": "function_call", "status": status, "arguments": arguments,
            "call_id": format!("call_{ID}{index}"), "name": &call.name,
        }
    }

    fn output(&self) -> Vec<Json> {
        let mut output = Vec::new();
        if !self.answer.reasoning.is_empty() {
            output.push(self.reasoning());
        }
        if self.answer.calls.is_empty() {
            let status = if self.answer.finish == Finish::Length { "incomplete" } else { "completed" };
            output.push(Self::message(status, vec![self.part(&self.answer.text)]));
        }
        for (index, call) in self.answer.calls.iter().enumerate() {
            output.push(Self::call(index, call, "completed", &arguments(call)));
        }
        output
    }

    fn stream(&self) -> Draft {
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
        let kind = if self.answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
        events.push(kind, object! { "response": self.response("completed", &self.output(), true) }, all, false);
        Draft::stream(Protocol::OpenAi, "text/event-stream; charset=utf-8", events.chunks)
    }

    fn reasoning_events(&self, events: &mut Events, index: usize) {
        let nothing = Generated::default();
        let empty = object! { "id": format!("rs_{ID}"), "type": "reasoning", "summary": array![] };
        events.push("response.output_item.added", object! { "output_index": index, "item": empty }, nothing, false);
        let place = || object! { "item_id": format!("rs_{ID}"), "output_index": index, "summary_index": 0 };
        let part = |text: &str| object! { "type": "summary_text", "text": text };
        events.push("response.reasoning_summary_part.added", place().with("part", part("")), nothing, false);
        for piece in self.answer.reasoning_pieces(3) {
            let body = place().with("delta", &piece.text);
            events.push("response.reasoning_summary_text.delta", body, piece.generated, true);
        }
        let text = &self.answer.reasoning;
        let thought = self.answer.thought();
        events.push("response.reasoning_summary_text.done", place().with("text", text), thought, false);
        events.push("response.reasoning_summary_part.done", place().with("part", part(text)), thought, false);
        let done = object! { "output_index": index, "item": self.reasoning() };
        events.push("response.output_item.done", done, thought, false);
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
        for (number, piece) in self.answer.text_pieces(self.profile.chunks).iter().enumerate() {
            let padding = &"Lm2Qw9Zr5Tx8B"[number % 12..];
            let body = place().with("delta", &piece.text);
            let body = body.with_if(!refused, "logprobs", || array![]).with("obfuscation", padding);
            events.push(delta, body, piece.generated, true);
        }
        let text = &self.answer.text;
        let whole =
            if refused { place().with("refusal", text) } else { place().with("text", text).with("logprobs", array![]) };
        events.push(done, whole, all, false);
        events.push("response.content_part.done", place().with("part", self.part(text)), all, false);
        let status = if self.answer.finish == Finish::Length { "incomplete" } else { "completed" };
        let item = Self::message(status, vec![self.part(text)]);
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
        for part in split(&arguments, self.profile.chunks.min(4)) {
            events.push(delta, place().with("delta", part).with("obfuscation", "pad"), all, true);
        }
        let whole = place().with_if(!call.custom, "name", || (&call.name).into()).with(field, &arguments);
        events.push(done, whole, all, false);
        let item = Self::call(number, call, "completed", &arguments);
        events.push("response.output_item.done", object! { "output_index": index, "item": item }, all, false);
    }
}

fn arguments(call: &Call) -> String {
    match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
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
