//! Requests for Anthropic.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Media, Message, OutputFormat, Reasoning, Role, Sampling as Asked, Signature, Text,
    Tool, ToolCall, ToolChoice, ToolResult,
};

pub(super) fn message(role: Role, content: Vec<Block<'static>>) -> Message<'static> {
    Message { role, content }
}

pub(super) fn text(text: &'static str) -> Block<'static> {
    Block::text(Text::from(text))
}

pub(super) fn user(said: &'static str) -> Message<'static> {
    message(Role::User, vec![text(said)])
}

pub(super) fn call(id: &'static str) -> Block<'static> {
    Block::ToolCall(ToolCall {
        id: Some(Text::from(id)),
        name: Text::from("f"),
        arguments: Arguments::Written(Text::from("{\"a\":1}")),
        is_custom: false,
        signature: None,
        cache: None,
    })
}

pub(super) fn result(id: &'static str, content: Vec<Block<'static>>) -> Block<'static> {
    Block::ToolResult(ToolResult {
        id: Some(Text::from(id)),
        name: None,
        content,
        is_error: false,
        is_custom: false,
        cache: None,
    })
}

pub(super) fn tool(name: &'static str) -> Tool<'static> {
    Tool {
        name: Text::from(name),
        description: None,
        parameters: None,
        strict: None,
        is_custom: false,
        is_openapi: false,
        cache: None,
    }
}

pub(super) fn thought(said: &'static str, origin: Protocol, value: &'static str) -> Block<'static> {
    let signature = Some(Signature { origin, value: Text::from(value) });
    Block::Reasoning(Reasoning { text: Text::from(said), signature })
}

pub(super) fn asking(messages: Vec<Message<'static>>) -> Request<'static> {
    Request { max_output_tokens: Some(4096), messages, ..Request::default() }
}

fn number(json: &'static str) -> Value<'static> {
    Value::parse(json.as_bytes()).unwrap()
}

fn messages(request: &Request<'_>) -> Json {
    written(request).0["messages"].clone()
}

#[test]
fn a_simple_request_is_simple() {
    let request = Request { system: vec![text("Be kind.")], stream: true, ..asking(vec![user("Hi")]) };
    let (body, notes) = written(&request);
    let expected = json!({"model": MODEL, "max_tokens": 4096, "stream": true, "system": "Be kind.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]});
    assert_eq!((body, notes), (expected, String::new()));
    assert_eq!(write_for(MODEL, &request).unwrap().path, "/messages");
}

#[test]
fn the_limit_on_tokens_is_the_callers_the_targets_or_the_models() {
    let request = Request { max_output_tokens: None, ..asking(vec![user("Hi")]) };
    let of = |model| {
        let (body, notes) = written_for(model, &request);
        assert_eq!(notes, "max_tokens=defaulted");
        body["max_tokens"].clone()
    };
    assert_eq!(["claude-opus-4-1", "claude-opus-5-5", "glm-5"].map(of), [json!(32_000), json!(128_000), json!(8192)]);
    let with_default = Target { default_max_tokens: Some(1000), ..target(MODEL) };
    let body = write_request(&request, &with_default).unwrap().body;
    assert_eq!(serde_json::from_slice::<Json>(&body).unwrap()["max_tokens"], 1000);
    let request = Request { max_output_tokens: Some(500_000), ..request };
    let (body, notes) = written(&request);
    assert_eq!((&body["max_tokens"], &*notes), (&json!(64_000), "max_tokens=clamped"));
    assert_eq!(written_for("glm-5", &request).0["max_tokens"], 500_000);
}

#[test]
fn sampling_is_brought_into_what_the_model_takes() {
    let mut request = asking(vec![user("Hi")]);
    request.sampling.temperature = Some(number("1.7"));
    assert_eq!(written(&request), {
        let (mut body, _) = written(&asking(vec![user("Hi")]));
        body["temperature"] = json!(1);
        (body, "temperature=clamped".to_owned())
    });
    request.sampling.temperature = Some(number("0.30"));
    request.sampling.top_p = Some(number("0.9"));
    request.sampling.top_k = Some(number("5"));
    let sampled = |model, request: &Request<'_>| {
        let (body, notes) = written_for(model, request);
        (body["temperature"].clone(), body["top_p"].clone(), body["top_k"].clone(), notes)
    };
    assert_eq!(sampled("claude-3-5-haiku-latest", &request), (json!(0.3), json!(0.9), json!(5), String::new()));
    assert_eq!(sampled(MODEL, &request), (json!(0.3), Json::Null, json!(5), "top_p=dropped".to_owned()));
    let notes = "temperature=dropped, top_p=dropped, top_k=dropped".to_owned();
    assert_eq!(sampled("claude-opus-4-8", &request), (Json::Null, Json::Null, Json::Null, notes));
    request.sampling = Asked { temperature: Some(number("1")), top_p: Some(number("1")), ..Asked::default() };
    assert_eq!(written_for("claude-opus-4-8", &request).1, "");
    // The default of one makes room for the other.
    request.sampling.top_p = Some(number("0.8"));
    assert_eq!(sampled(MODEL, &request), (Json::Null, json!(0.8), Json::Null, String::new()));
}

#[test]
fn controls_that_do_not_exist_are_named_or_refused() {
    let mut request = asking(vec![user("Hi")]);
    request.sampling.seed = Some(number("1"));
    request.sampling.frequency_penalty = Some(number("0.5"));
    request.sampling.presence_penalty = Some(number("0"));
    request.sampling.choices = Some(1);
    request.user.cache_key = Some(Text::from("k"));
    request.user.verbosity = Some(Text::from("low"));
    assert_eq!(
        written(&request).1,
        "seed=dropped, frequency_penalty=dropped, prompt_cache_key=dropped, verbosity=dropped"
    );
    request.sampling.choices = Some(2);
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "n");
    request.sampling.choices = None;
    request.sampling.log_probabilities = Some(0);
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "logprobs");
    let audio = Block::Audio { data: Text::from("x"), format: Text::from("wav") };
    let request = asking(vec![message(Role::User, vec![audio])]);
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "input_audio");
    let request = Request { tools: vec![Tool { is_custom: true, ..tool("f") }], ..asking(vec![user("Hi")]) };
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "tools.custom");
}

#[test]
fn stop_sequences_and_users_are_written_where_anthropic_takes_them() {
    let mut request = asking(vec![user("Hi")]);
    request.stop = vec![Text::from("END"), Text::from("\n\nHuman:")];
    request.user.id = Some(Text::from("u-1"));
    let (body, notes) = written(&request);
    assert_eq!(
        (&body["stop_sequences"], &body["metadata"]),
        (&json!(["END", "\n\nHuman:"]), &json!({"user_id": "u-1"}))
    );
    assert_eq!(notes, "");
    request.user.id = Some(Text::from("a@b.example"));
    let (body, notes) = written(&request);
    assert_eq!((&body["metadata"], &*notes), (&Json::Null, "user=dropped"));
    request.stop = vec![Text::from("\n")];
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "stop");
}

#[test]
fn tools_are_written_with_the_schema_of_an_object() {
    let schema = Value::parse(br#"{"properties":{"a":{"type":"integer","minimum":1}}}"#).unwrap();
    let request = Request {
        tools: vec![
            Tool { description: Some(Text::from("d")), cache: Some(CacheControl::OneHour), ..tool("f") },
            Tool { parameters: Some(schema), strict: Some(true), ..tool("mcp.x/y") },
            Tool { parameters: Some(schema), strict: Some(false), ..tool("g") },
        ],
        parallel_tool_calls: Some(false),
        ..asking(vec![user("Hi")])
    };
    let (body, notes) = written(&request);
    assert_eq!(
        body["tools"][0],
        json!({"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral", "ttl": "1h"}})
    );
    let strict = json!({"type": "object", "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}}, "additionalProperties": false});
    assert_eq!(body["tools"][1]["input_schema"], strict);
    assert_eq!(body["tools"][1]["strict"], true);
    assert_eq!(
        body["tools"][2]["input_schema"],
        json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}})
    );
    assert_eq!(body["tools"][2].get("strict"), None);
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(notes, "tools.parameters=approximated");
    let name = body["tools"][1]["name"].as_str().unwrap();
    assert!(name.starts_with("mcp_x_y_"));
    assert_eq!(write_for(MODEL, &request).unwrap().names.original(name), "mcp.x/y");
    let (body, notes) = written_for("claude-sonnet-4-0", &request);
    assert_eq!((body["tools"][1].get("strict"), &*notes), (None, "tools.strict=dropped"));
    let string = Value::parse(br#"{"type":"string"}"#).unwrap();
    let request = Request { tools: vec![Tool { parameters: Some(string), ..tool("f") }], ..asking(vec![user("Hi")]) };
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "tools[0].parameters");
}

#[test]
fn the_choice_among_tools_is_said_in_anthropics_words() {
    let mut request = Request { tools: vec![tool("f"), tool("g")], ..asking(vec![user("Hi")]) };
    let mut choice = |choice, parallel| {
        request.tool_choice = choice;
        request.parallel_tool_calls = parallel;
        let (body, notes) = written(&request);
        assert_eq!(notes, "");
        (body["tool_choice"].clone(), body["tools"].as_array().unwrap().len())
    };
    assert_eq!(choice(None, None), (Json::Null, 2));
    assert_eq!(choice(Some(ToolChoice::Auto), Some(true)), (json!({"type": "auto"}), 2));
    assert_eq!(choice(Some(ToolChoice::None), Some(false)), (json!({"type": "none"}), 2));
    let any = json!({"type": "any", "disable_parallel_tool_use": true});
    assert_eq!(choice(Some(ToolChoice::Required), Some(false)), (any, 2));
    let named = ToolChoice::Named(Text::from("g"));
    assert_eq!(choice(Some(named), None), (json!({"type": "tool", "name": "g"}), 2));
    let allowed = |required| ToolChoice::Allowed { names: vec![Text::from("g")], required };
    assert_eq!(choice(Some(allowed(true)), None), (json!({"type": "any"}), 1));
    assert_eq!(choice(Some(allowed(false)), None), (json!({"type": "auto"}), 1));
    let none = ToolChoice::Allowed { names: vec![Text::from("x")], required: true };
    request.tool_choice = Some(none);
    assert_eq!(write_for(MODEL, &request).unwrap_err().param, "tool_choice");
    let request = Request { tool_choice: Some(ToolChoice::Auto), ..asking(vec![user("Hi")]) };
    assert_eq!(written(&request).0.get("tool_choice"), None);
}

#[test]
fn calls_in_a_history_without_tools_get_a_definition_that_cannot_be_called() {
    let request = asking(vec![
        user("Hi"),
        message(Role::Assistant, vec![call("a")]),
        message(Role::User, vec![result("a", vec![text("1")])]),
    ]);
    let (body, notes) = written(&request);
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    assert_eq!(notes, "tools=defaulted");
}

#[test]
fn results_stand_together_and_first_and_blank_texts_are_left_out() {
    let request = asking(vec![
        user("Hi"),
        message(Role::Assistant, vec![text(" \n"), text("Look:"), call("a.1"), call("b")]),
        message(Role::User, vec![text("Well"), result("b", vec![text("2")])]),
        message(Role::User, vec![text(""), result("a.1", vec![text("1"), text(" "), text("one")])]),
    ]);
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Look:"},
            {"type": "tool_use", "id": "a_1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {"a": 1}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "b", "content": "2"},
            {"type": "tool_result", "tool_use_id": "a_1", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "one"}]},
            {"type": "text", "text": "Well"}]},
    ]);
    assert_eq!(messages(&request), expected);
}

#[test]
fn calls_without_results_are_the_callers_fault() {
    let assistant = message(Role::Assistant, vec![call("a"), call("b")]);
    for behind in [
        vec![],
        vec![user("Well?")],
        vec![message(Role::User, vec![result("a", vec![])])],
        vec![message(Role::User, vec![result("a", vec![]), result("c", vec![])])],
        vec![message(Role::User, vec![result("a", vec![]), result("b", vec![]), result("b", vec![])])],
    ] {
        let request = asking([vec![user("Hi"), assistant.clone()], behind].concat());
        let rejected = write_for(MODEL, &request).unwrap_err();
        assert_eq!(rejected.param, "messages");
    }
}

#[test]
fn results_may_be_errors_and_hold_images_and_documents() {
    let image = Block::Image {
        media: Media::Url { url: Text::from("https://x"), media_type: None },
        detail: None,
        cache: None,
    };
    let mut failed = result("a", vec![]);
    if let Block::ToolResult(failed) = &mut failed {
        failed.is_error = true;
        failed.cache = Some(CacheControl::FiveMinutes);
    }
    let request = Request {
        tools: vec![tool("f")],
        ..asking(vec![
            user("Hi"),
            message(Role::Assistant, vec![call("a"), call("b"), call("c")]),
            message(Role::User, vec![failed, result("b", vec![image]), result("c", vec![])]),
        ])
    };
    let (body, notes) = written(&request);
    let expected = json!([
        {"type": "tool_result", "tool_use_id": "a", "is_error": true, "cache_control": {"type": "ephemeral"}, "content": "error"},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "image", "source": {"type": "url", "url": "https://x"}}]},
        {"type": "tool_result", "tool_use_id": "c"},
    ]);
    assert_eq!((&body["messages"][2]["content"], &*notes), (&expected, ""));
}

#[test]
fn a_conversation_begins_with_the_user_and_nobody_is_silent() {
    let filler = json!({"role": "user", "content": [{"type": "text", "text": "(continue)"}]});
    let request = asking(vec![message(Role::Assistant, vec![text("Hello")]), user("Hi")]);
    let (body, notes) = written(&request);
    assert_eq!((&body["messages"][0], &*notes), (&filler, "messages=defaulted"));
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    let request = asking(vec![user("Hi"), message(Role::Assistant, vec![text("")]), user(" ")]);
    assert_eq!(messages(&request), json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, filler]));
    let request = Request { system: vec![text("S")], ..asking(vec![]) };
    assert_eq!(messages(&request), json!([filler]));
    assert_eq!(write_for(MODEL, &asking(vec![])).unwrap_err().param, "messages");
}

#[test]
fn a_prefill_has_no_space_at_its_end_and_is_a_turn_for_models_that_take_none() {
    let request = asking(vec![user("Hi"), message(Role::Assistant, vec![text("{\"a\": \n"), text("\n ")])]);
    let (body, notes) = written(&request);
    assert_eq!(body["messages"][1]["content"], json!([{"type": "text", "text": "{\"a\":"}]));
    assert_eq!((body["messages"].as_array().unwrap().len(), &*notes), (2, ""));
    let (body, notes) = written_for("claude-opus-4-6", &request);
    assert_eq!(body["messages"][2]["content"][0]["text"], "(continue)");
    assert_eq!(notes, "messages.prefill=approximated");
}

#[test]
fn late_instructions_join_the_system_prompt() {
    let cached = Block::Text { text: Text::from("One."), cache: Some(CacheControl::FiveMinutes) };
    let request = Request {
        system: vec![cached, text(" ")],
        ..asking(vec![user("Hi"), message(Role::System, vec![text("Two.")]), user("there")])
    };
    let (body, notes) = written(&request);
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Two."}])
    );
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(notes, "messages.system=approximated");
}

#[test]
fn media_are_written_as_anthropic_takes_them() {
    let image =
        |media| Block::Image { media, detail: Some(Text::from("high")), cache: Some(CacheControl::FiveMinutes) };
    let document = |media| Block::Document { media, name: Some(Text::from("N")), cache: None };
    let inline = |kind: &'static str| Media::Inline { media_type: Text::from(kind), data: Text::from("aGk=") };
    let url = |url: &'static str| Media::Url { url: Text::from(url), media_type: None };
    let content = vec![
        image(inline("image/JPG")),
        document(inline("application/pdf")),
        document(inline("text/csv")),
        document(Media::Plain(Text::from("p"))),
        document(url("https://x/d")),
        image(url("data:image/gif;charset=x;base64,aGk=")),
    ];
    let (body, notes) = written(&asking(vec![message(Role::User, content)]));
    let plain = |data: &str| json!({"type": "text", "media_type": "text/plain", "data": data});
    let expected = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}, "title": "N"},
        {"type": "document", "source": plain("hi"), "title": "N"},
        {"type": "document", "source": plain("p"), "title": "N"},
        {"type": "document", "source": {"type": "url", "url": "https://x/d"}, "title": "N"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "aGk="}, "cache_control": {"type": "ephemeral"}},
    ]);
    assert_eq!((&body["messages"][0]["content"], &*notes), (&expected, "image.detail=dropped"));
    for block in [image(inline("image/bmp")), image(url("gs://x")), document(inline("application/zip"))] {
        let request = asking(vec![message(Role::User, vec![block])]);
        assert_eq!(write_for(MODEL, &request).unwrap_err().param, "messages");
    }
}

#[test]
fn answers_take_a_form_by_schema_or_by_instruction() {
    let schema = Value::parse(br#"{"type":"object","properties":{"a":{"type":"string"}}}"#).unwrap();
    let wanted = OutputFormat::JsonSchema { name: None, description: None, schema, strict: None, is_openapi: false };
    let mut request = Request { format: wanted, ..asking(vec![user("Hi"), message(Role::Assistant, vec![text("{")])]) };
    let (body, notes) = written(&request);
    let expected = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": expected}}));
    // A schema and a prefill exclude each other.
    assert_eq!(notes, "messages.prefill=approximated");
    request.messages.pop();
    let (body, notes) = written_for("claude-3-5-haiku-latest", &request);
    assert!(body["system"].as_str().unwrap().ends_with(schema.raw()));
    assert_eq!((body.get("output_config"), &*notes), (None, "response_format.json_schema=approximated"));
    request.format = OutputFormat::JsonObject;
    request.system = vec![text("S")];
    let (body, notes) = written(&request);
    assert!(body["system"][1]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(notes, "response_format.json_object=approximated");
}

#[test]
fn a_history_goes_with_its_own_thoughts_alone() {
    let gemini_call = ToolCall {
        id: None,
        name: Text::from("f"),
        arguments: Arguments::Written(Text::from("not json")),
        is_custom: false,
        signature: Some(Signature { origin: Protocol::Gemini, value: Text::from("x") }),
        cache: None,
    };
    let unsigned = Block::Reasoning(Reasoning { text: Text::from("u"), signature: None });
    let request = Request {
        tools: vec![tool("f")],
        ..asking(vec![
            user("Hi"),
            message(
                Role::Assistant,
                vec![
                    thought("own", Protocol::Anthropic, "Sig=="),
                    thought("", Protocol::Anthropic, "redacted:Data=="),
                    thought("", Protocol::Anthropic, "Hidden=="),
                    thought("theirs", Protocol::Gemini, "x"),
                    unsigned,
                    Block::Refusal(Text::from("I will not")),
                    Block::ToolCall(gemini_call),
                ],
            ),
            message(
                Role::User,
                vec![Block::ToolResult(ToolResult {
                    id: None,
                    name: Some(Text::from("f")),
                    content: vec![],
                    is_error: false,
                    is_custom: false,
                    cache: None,
                })],
            ),
        ])
    };
    let (body, notes) = written(&request);
    let expected = json!([
        {"type": "thinking", "thinking": "own", "signature": "Sig=="},
        {"type": "redacted_thinking", "data": "Data=="},
        {"type": "thinking", "thinking": "", "signature": "Hidden=="},
        {"type": "text", "text": "I will not"},
        {"type": "tool_use", "id": "call", "name": "f", "input": {"INVALID_JSON": "not json"}},
    ]);
    assert_eq!(body["messages"][1]["content"], expected);
    assert_eq!(body["messages"][2]["content"], json!([{"type": "tool_result", "tool_use_id": "call"}]));
    assert_eq!(notes, "reasoning.signature=dropped, messages.reasoning=dropped");
}
