//! OpenAI's shapes.

use serde_json::{Value, json};

use super::super::log::RecordedRequest;
use super::super::running::Running;
use super::wire::{OPENAI, Reply, call, get, post, start};

const CHAT: &str = "/v1/chat/completions";

fn chat(extra: &Value) -> Value {
    let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "good morning"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn last(provider: &Running) -> RecordedRequest {
    provider.requests().pop().unwrap()
}

fn said(reply: &Reply) -> String {
    reply
        .data()
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str().map(String::from))
        .collect()
}

#[test]
fn a_chat_answer_echoes_and_tells_what_was_generated() {
    let provider = start();
    let reply = post(&provider, CHAT, OPENAI, &chat(&json!({})));
    let body = reply.json();
    assert_eq!((reply.status, body["object"].as_str()), (200, Some("chat.completion")));
    assert!(body["choices"][0]["message"]["content"].as_str().unwrap().starts_with("Echo: good morning "));
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let generated = last(&provider).generated;
    assert_eq!(body["usage"]["prompt_tokens"], generated.prompt());
    assert_eq!(body["usage"]["completion_tokens"], generated.output);
    for leaky in ["openai-organization", "set-cookie", "cf-ray", "x-request-id", "x-ratelimit-reset-tokens"] {
        assert!(reply.header(leaky).is_some(), "{leaky}");
    }
}

#[test]
fn equal_requests_get_equal_answers_with_different_ids() {
    let provider = start();
    let [mut first, mut second] = [0, 1].map(|_| post(&provider, CHAT, OPENAI, &chat(&json!({}))).json());
    assert_ne!(first["id"], second["id"]);
    (first["id"], second["id"]) = (Value::Null, Value::Null);
    first["created"] = second["created"].clone();
    assert_eq!(first, second);
}

#[test]
fn usage_is_streamed_only_when_it_was_asked_for() {
    let provider = start();
    let asked = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let reply = post(&provider, CHAT, OPENAI, &asked);
    assert_eq!(reply.events().last().unwrap().1, "[DONE]");
    let mut chunks = reply.data();
    let usage = chunks.pop().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], last(&provider).generated.output);
    assert!(chunks.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)), "the others say null");

    let plain = post(&provider, CHAT, OPENAI, &chat(&json!({"stream": true})));
    assert!(plain.data().iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"] != json!([])));
    assert_eq!(plain.header("transfer-encoding"), Some("chunked"));
}

#[test]
fn a_stream_says_the_same_as_the_whole_answer() {
    let provider = start();
    let whole = post(&provider, CHAT, OPENAI, &chat(&json!({"model": "gpt-4o-sim-unicode-chunks-31"}))).json();
    let reply = post(&provider, CHAT, OPENAI, &chat(&json!({"model": "gpt-4o-sim-unicode-chunks-31", "stream": true})));
    assert_eq!(whole["choices"][0]["message"]["content"], said(&reply));
    // Role, 31 pieces, finish; each is an HTTP chunk of its own, as is `[DONE]`.
    assert_eq!((reply.data().len(), reply.chunks.len()), (33, 34));
}

#[test]
fn events_are_cut_where_the_name_asks_for_it() {
    let provider = start();
    let reply = post(&provider, CHAT, OPENAI, &chat(&json!({"model": "gpt-4o-sim-unicode-split-7", "stream": true})));
    assert!(reply.chunks.iter().all(|chunk| chunk.len() <= 7));
    assert!(said(&reply).starts_with("Echo: good morning "));
}

#[test]
fn tools_are_called_with_arguments_of_their_schema() {
    let provider = start();
    let tools = json!([
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}}},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]);
    let body = chat(&json!({"tools": tools, "model": "gpt-4o-sim-parallel"}));
    let reply = post(&provider, CHAT, OPENAI, &body).json();
    assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls");
    let calls = reply["choices"][0]["message"]["tool_calls"].as_array().unwrap();
    let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "sample", "days": 7}));
    assert_eq!((&calls[1]["function"]["name"], &calls[1]["function"]["arguments"]), (&json!("now"), &json!("{}")));

    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let mut collected = [String::new(), String::new()];
    let mut names = Vec::new();
    for chunk in post(&provider, CHAT, OPENAI, &streamed).data() {
        for call in chunk.pointer("/choices/0/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            collected[index].push_str(call["function"]["arguments"].as_str().unwrap());
            names.extend(call["function"]["name"].as_str().map(String::from));
        }
    }
    assert_eq!(names, ["weather", "now"]);
    assert_eq!(collected[0], calls[0]["function"]["arguments"].as_str().unwrap());
}

#[test]
fn after_a_tool_result_the_model_speaks() {
    let provider = start();
    let body = json!({"model": "gpt-4o", "tools": [{"type": "function", "function": {"name": "f"}}], "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]});
    assert_eq!(post(&provider, CHAT, OPENAI, &body).json()["choices"][0]["finish_reason"], "stop");
    let mut orphan = body.clone();
    orphan["messages"][2]["tool_call_id"] = json!("c2");
    assert_eq!(post(&provider, CHAT, OPENAI, &orphan).status, 400);
}

#[test]
fn images_schemas_choices_and_limits_are_honoured() {
    let provider = start();
    let plain = post(&provider, CHAT, OPENAI, &chat(&json!({}))).json();
    let image = json!([{"role": "user", "content": [{"type": "text", "text": "good morning"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]);
    post(&provider, CHAT, OPENAI, &chat(&json!({"messages": image})));
    assert_eq!(last(&provider).generated.image_input, 85);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema":
        {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
    let answer = post(&provider, CHAT, OPENAI, &chat(&json!({"response_format": schema}))).json();
    assert_eq!(answer["choices"][0]["message"]["content"], r#"{"ok":true}"#);
    let two = post(&provider, CHAT, OPENAI, &chat(&json!({"n": 2}))).json();
    assert_eq!(two["choices"].as_array().unwrap().len(), 2);
    assert_eq!(two["usage"]["completion_tokens"], 2 * plain["usage"]["completion_tokens"].as_u64().unwrap());
    let short = post(&provider, CHAT, OPENAI, &chat(&json!({"max_completion_tokens": 5}))).json();
    assert_eq!(
        (&short["choices"][0]["finish_reason"], &short["usage"]["completion_tokens"]),
        (&json!("length"), &json!(5))
    );
    let thinking = post(&provider, CHAT, OPENAI, &chat(&json!({"model": "o3-mini"}))).json();
    assert!(thinking["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));
}

#[test]
fn cached_tokens_are_part_of_the_prompt() {
    let provider = start();
    let body = chat(
        &json!({"model": "gpt-4o-sim-cached-cachewrite", "messages": [{"role": "user", "content": "word ".repeat(200)}]}),
    );
    let usage = post(&provider, CHAT, OPENAI, &body).json()["usage"].clone();
    let generated = last(&provider).generated;
    assert!(generated.cache_read > 0 && generated.cache_write_5m > 0);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], generated.cache_read);
    assert_eq!(usage["prompt_tokens_details"]["cache_write_tokens"], generated.cache_write_5m);
    assert_eq!(usage["prompt_tokens"], generated.prompt());
}

#[test]
fn what_the_real_one_refuses_is_refused() {
    let provider = start();
    let error = |body: &Value| {
        let reply = post(&provider, CHAT, OPENAI, body);
        (reply.status, reply.json()["error"].clone())
    };
    let (status, missing) = error(&json!({"model": "gpt-4o"}));
    assert_eq!(
        (status, missing["param"].as_str(), missing["type"].as_str()),
        (400, Some("messages"), Some("invalid_request_error"))
    );
    let (status, unknown) = error(&chat(&json!({"model": "no-such-model"})));
    assert_eq!((status, unknown["code"].as_str()), (404, Some("model_not_found")));
    let (status, old) = error(&chat(&json!({"model": "o3-mini", "max_tokens": 5})));
    assert_eq!((status, old["code"].as_str()), (400, Some("unsupported_parameter")));
    assert_eq!(error(&chat(&json!({"temperature": 2.5}))).0, 400);
    assert_eq!(call(&provider, "POST", CHAT, OPENAI, b"{\"model\":").status, 400);
    assert_eq!(post(&provider, "/v1/nothing", OPENAI, &json!({})).status, 404);
}

#[test]
fn a_response_is_streamed_as_typed_events_in_sequence() {
    let provider = start();
    let mut body = json!({"model": "gpt-5", "input": "good morning", "stream": true});
    let reply = post(&provider, "/v1/responses", OPENAI, &body);
    let events = reply.data();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index);
        assert_eq!(event["type"], reply.events()[index].0);
    }
    assert_eq!(events[0]["type"], "response.created");
    let completed = events.last().unwrap();
    assert_eq!(completed["type"], "response.completed");
    let generated = last(&provider).generated;
    assert_eq!(completed["response"]["usage"]["output_tokens"], generated.output);
    assert!(generated.reasoning > 0);
    let deltas = events.iter().filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas.map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(completed["response"]["output"][1]["content"][0]["text"], text);

    body["stream"] = json!(false);
    let whole = post(&provider, "/v1/responses", OPENAI, &body).json();
    assert_eq!(whole["output"][0]["type"], "reasoning");
    assert!(whole["output"][1]["content"][0]["text"].as_str().unwrap().starts_with("Echo: good morning"));
}

#[test]
fn a_response_calls_functions_and_free_text_tools() {
    let provider = start();
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}},
        {"type": "custom", "name": "sql"}]);
    let body = json!({"model": "gpt-4o-sim-parallel", "input": "hi", "tools": tools});
    let output = post(&provider, "/v1/responses", OPENAI, &body).json()["output"].clone();
    assert_eq!((&output[0]["type"], &output[0]["arguments"]), (&json!("function_call"), &json!("{\"x\":7}")));
    assert_eq!((&output[1]["type"], &output[1]["input"]), (&json!("custom_tool_call"), &json!("sample 2: hi")));
}

#[test]
fn old_completions_stream_too() {
    let provider = start();
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "once upon", "max_tokens": 40, "stream": true, "stream_options": {"include_usage": true}});
    let chunks = post(&provider, "/v1/completions", OPENAI, &body).data();
    let text: String = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/text")?.as_str()).collect();
    assert!(text.starts_with("Echo: once upon"));
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 40);
}

#[test]
fn embeddings_come_as_numbers_or_base64() {
    let provider = start();
    let body = json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 4});
    let numbers = post(&provider, "/v1/embeddings", OPENAI, &body).json();
    assert_eq!(numbers["data"][1]["embedding"].as_array().unwrap().len(), 4);
    let mut body = body;
    body["encoding_format"] = json!("base64");
    let base64 = post(&provider, "/v1/embeddings", OPENAI, &body).json();
    assert_eq!(base64["data"][0]["embedding"].as_str().unwrap().len(), 24);
    assert_eq!(base64["usage"]["prompt_tokens"], last(&provider).generated.input_uncached);
}

#[test]
fn media_endpoints_take_and_give_bytes() {
    let provider = start();
    let speech =
        post(&provider, "/v1/audio/speech", OPENAI, &json!({"model": "tts-1", "voice": "alloy", "input": "hello"}));
    assert_eq!((speech.header("content-type"), speech.body.len()), (Some("audio/mpeg"), 1000));
    let form = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-transcribe\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n0123456789\r\n--b--\r\n";
    let headers = &[("Authorization", "Bearer sk-a"), ("Content-Type", "multipart/form-data; boundary=b")];
    let text = call(&provider, "POST", "/v1/audio/transcriptions", headers, form).json();
    assert_eq!(text["text"], "A recording of 10 bytes named a.wav.");
    assert_eq!(text["usage"]["input_tokens"], last(&provider).generated.audio_input);
    assert_eq!(last(&provider).model, "gpt-4o-transcribe");
    let image =
        post(&provider, "/v1/images/generations", OPENAI, &json!({"model": "gpt-image-1", "prompt": "a cat", "n": 2}))
            .json();
    assert_eq!(image["data"].as_array().unwrap().len(), 2);
    let edit = String::from_utf8_lossy(form).replace("name=\"file\"", "name=\"image\"");
    let edited = call(&provider, "POST", "/v1/images/edits", headers, edit.as_bytes());
    assert_eq!(edited.json()["usage"]["input_tokens_details"]["image_tokens"], 272);
    let flagged = post(&provider, "/v1/moderations", OPENAI, &json!({"input": ["fine", "flag me"]})).json();
    assert_eq!((&flagged["results"][0]["flagged"], &flagged["results"][1]["flagged"]), (&json!(false), &json!(true)));
}

#[test]
fn models_are_listed_in_the_shape_of_the_caller() {
    let provider = start();
    assert_eq!(get(&provider, "/v1/models", OPENAI).json()["object"], "list");
    let anthropic = get(&provider, "/v1/models", &[("x-api-key", "k"), ("anthropic-version", "2023-06-01")]).json();
    assert_eq!(anthropic["data"][0]["type"], "model");
    assert!(get(&provider, "/v1/models", &[("x-goog-api-key", "k")]).json()["models"][0]["name"].is_string());
    assert_eq!(get(&provider, "/v1/models/gpt-4o", OPENAI).json()["id"], "gpt-4o");
}

#[test]
fn credentials_are_checked() {
    let provider = start();
    provider.set_bad_keys(["sk-bad"]);
    let bad = post(&provider, CHAT, &[("Authorization", "Bearer sk-bad")], &chat(&json!({})));
    assert_eq!((bad.status, bad.json()["error"]["code"].as_str()), (401, Some("invalid_api_key")));
    assert_eq!(post(&provider, CHAT, &[], &chat(&json!({}))).status, 401);
    assert_eq!(last(&provider).credential, None);
    assert_eq!(provider.requests()[0].credential.as_deref(), Some("sk-bad"));
    assert_eq!(provider.requests()[0].credential_place.as_deref(), Some("authorization"));
}
