//! Requests to a provider.

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Effort, Media, Message, OutputFormat, Reasoning, Role, Signature, Text, Tool,
    ToolCall, ToolChoice, ToolResult, Value,
};

fn text(text: &str) -> Block<'_> {
    Block::text(Text::from(text))
}

fn asked(content: Vec<Block<'_>>) -> Request<'_> {
    Request { messages: vec![Message { role: Role::User, content }], ..Request::default() }
}

fn said(content: Vec<Block<'_>>) -> Message<'_> {
    Message { role: Role::Assistant, content }
}

fn call<'a>(id: Option<&'a str>, name: &'a str, arguments: &'a str) -> Block<'a> {
    Block::ToolCall(ToolCall {
        id: id.map(Text::from),
        name: Text::from(name),
        arguments: Arguments::Written(Text::from(arguments)),
        is_custom: false,
        signature: None,
        cache: None,
    })
}

fn result<'a>(id: Option<&'a str>, content: Vec<Block<'a>>, is_error: bool) -> Block<'a> {
    let id = id.map(Text::from);
    Block::ToolResult(ToolResult { id, name: None, content, is_error, is_custom: false, cache: None })
}

fn tool<'a>(name: &'a str, parameters: Option<Value<'a>>) -> Tool<'a> {
    Tool {
        name: Text::from(name),
        description: None,
        parameters,
        strict: None,
        is_custom: false,
        is_openapi: false,
        cache: None,
    }
}

fn thought<'a>(text: &'a str, signature: Option<Signature<'a>>) -> Block<'a> {
    Block::Reasoning(Reasoning { text: Text::from(text), signature })
}

#[test]
fn a_conversation_becomes_items_in_order() {
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 gAAA") };
    let mut request = asked(vec![text("Hi"), text("there")]);
    request.system = vec![text("A"), text("B")];
    request.messages.push(said(vec![
        thought("shown", Some(own)),
        text("Well"),
        Block::Refusal(Text::from("No")),
        call(Some("call_1"), "f", "{\"a\":1}"),
        call(Some("call_2"), "g", ""),
    ]));
    request.messages.push(Message {
        role: Role::User,
        content: vec![
            result(Some("call_1"), vec![text("1"), text("2")], false),
            result(Some("call_2"), vec![text("lost")], true),
            text("Go on"),
        ],
    });
    request.messages.push(Message { role: Role::System, content: vec![text("late")] });
    let (body, notes) = write(&request);
    assert_eq!(
        body,
        json!({
            "model": "gpt-5.4", "store": false, "instructions": "A\n\nB",
            "input": [
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "Hi"}, {"type": "input_text", "text": "there"}]},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "Well"}, {"type": "refusal", "refusal": "No"}]},
                {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
                {"type": "function_call", "call_id": "call_2", "name": "g", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "1\n\n2"},
                {"type": "function_call_output", "call_id": "call_2", "output": "Error: lost"},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on"}]},
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "late"}]},
            ],
        })
    );
    assert_eq!(notes, "tool_result.is_error=approximated");
}

#[test]
fn images_and_documents_are_sent_with_what_they_need() {
    let inline = |media_type, data| Media::Inline { media_type: Text::from(media_type), data: Text::from(data) };
    let url = |url| Media::Url { url: Text::from(url), media_type: None };
    let image = |media, detail| Block::Image { media, detail, cache: None };
    let document = |media, name| Block::Document { media, name, cache: None };
    let mut request = asked(vec![
        image(inline("image/png", "AA+/"), None),
        image(url("https://x/y"), Some(Text::from("low"))),
        document(inline("application/pdf", "BB=="), Some(Text::from("a.pdf"))),
        document(inline("application/pdf", "BB=="), None),
        document(Media::Plain(Text::from("a")), None),
        document(url("https://x/y.pdf"), None),
    ]);
    let shown = vec![text("see"), image(inline("image/png", "AA=="), None)];
    request.messages.push(said(vec![call(Some("c"), "f", "{}")]));
    request.messages.push(Message { role: Role::User, content: vec![result(Some("c"), shown, true)] });
    let (body, notes) = write(&request);
    assert_eq!(
        body["input"][0]["content"],
        json!([
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA+/"},
            {"type": "input_image", "detail": "low", "image_url": "https://x/y"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BB=="},
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,BB=="},
            {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,YQ=="},
            {"type": "input_file", "file_url": "https://x/y.pdf"},
        ])
    );
    assert_eq!(
        body["input"][2]["output"],
        json!([
            {"type": "input_text", "text": "Error:"},
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="},
        ])
    );
    assert_eq!(notes, "tool_result.is_error=approximated");
}

#[test]
fn what_the_model_drew_is_shown_to_it_by_the_user() {
    let image = Block::Image {
        media: Media::Inline { media_type: Text::from("image/png"), data: Text::from("AA==") },
        detail: None,
        cache: None,
    };
    let mut request = asked(vec![text("Draw")]);
    request.messages.push(said(vec![text("Here"), image]));
    request.messages.push(Message { role: Role::User, content: vec![text("Larger")] });
    let (body, notes) = write(&request);
    let roles: Vec<_> = body["input"].as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "user"]);
    assert_eq!(notes, "messages.content=approximated");
}

/// As OpenAI wants it for its strict mode.
const CLOSED: &str =
    r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;

#[test]
fn tools_say_whether_they_are_strict_and_what_they_take() {
    let schema = Value::parse(CLOSED.as_bytes()).unwrap();
    let closed: Json = serde_json::from_str(CLOSED).unwrap();
    let long = "x.".repeat(40);
    let mut request = asked(vec![text("Hi")]);
    request.tools = vec![
        Tool { description: Some(Text::from("d")), strict: Some(true), ..tool("f", Some(schema)) },
        Tool { cache: Some(CacheControl::FiveMinutes), ..tool(&long, None) },
        Tool { is_custom: true, ..tool("c", None) },
    ];
    request.parallel_tool_calls = Some(false);
    request.tool_choice = Some(ToolChoice::Named(Text::from(long.as_str())));
    request.messages.push(said(vec![call(Some("1"), &long, "{}")]));
    let written = write_request(&request, &target("gpt-5.4")).unwrap();
    let body: Json = serde_json::from_slice(&written.body).unwrap();
    let short = body["tools"][1]["name"].as_str().unwrap();
    assert!(short.len() <= 64 && short.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{short}");
    assert_eq!(written.names.original(short), long);
    assert_eq!(
        body["tools"],
        json!([
            {"type": "function", "name": "f", "description": "d", "strict": true, "parameters": closed},
            {"type": "function", "name": short, "strict": false, "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "c"},
        ])
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": short}));
    assert_eq!(body["parallel_tool_calls"], false);
    assert_eq!(body["input"][1]["name"], short);
    assert_eq!(header_value(&written.notes).unwrap(), "cache_control=dropped");

    let names = vec![Text::from("f"), Text::from("c")];
    request.tool_choice = Some(ToolChoice::Allowed { names, required: false });
    let (body, _) = write(&request);
    let tools = json!([{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]);
    assert_eq!(body["tool_choice"], json!({"type": "allowed_tools", "mode": "auto", "tools": tools}));
    for (choice, word) in [(ToolChoice::Auto, "auto"), (ToolChoice::None, "none"), (ToolChoice::Required, "required")] {
        request.tool_choice = Some(choice);
        assert_eq!(write(&request).0["tool_choice"], word);
    }
}

#[test]
fn without_tools_nothing_is_said_of_them() {
    let mut request = asked(vec![text("Hi")]);
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tool_calls = Some(false);
    let (body, notes) = write(&request);
    assert_eq!((body.get("tool_choice"), body.get("parallel_tool_calls")), (None, None));
    assert_eq!(notes, "");
}

#[test]
fn calls_without_ids_get_some() {
    let mut request = asked(vec![text("Hi")]);
    request.messages.push(said(vec![call(None, "f", "{}"), call(None, "g", "{}")]));
    let results = vec![result(None, vec![text("1")], false), result(None, vec![text("2")], false)];
    request.messages.push(Message { role: Role::User, content: results });
    let (body, _) = write(&request);
    let ids: Vec<_> = (1..5).map(|index| body["input"][index]["call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_1", "call_2"]);
}

#[test]
fn thoughts_of_others_are_left_out_and_named() {
    let foreign = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB") };
    let mut request = asked(vec![text("Hi")]);
    request.messages.push(said(vec![thought("a", Some(foreign)), thought("b", None), call(Some("1"), "f", "{}")]));
    let (body, notes) = write(&request);
    assert_eq!(body["input"].as_array().unwrap().len(), 2);
    assert_eq!(notes, "reasoning.signature=dropped, messages.reasoning=dropped");
}

#[test]
fn formats() {
    let schema = Value::parse(CLOSED.as_bytes()).unwrap();
    let closed: Json = serde_json::from_str(CLOSED).unwrap();
    let mut request = asked(vec![text("Hi")]);
    let (name, description) = (Some(Text::from("a b")), Some(Text::from("d")));
    request.format = OutputFormat::JsonSchema { name, description, schema, strict: Some(true), is_openapi: false };
    request.user.verbosity = Some(Text::from("low"));
    let (body, notes) = write(&request);
    assert_eq!(
        body["text"],
        json!({"verbosity": "low", "format": {
            "type": "json_schema", "name": "a_b", "description": "d", "schema": closed, "strict": true}})
    );
    assert_eq!(notes, "");
    let schema = Value::parse(br#"{"type":"object"}"#).unwrap();
    request.format =
        OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true), is_openapi: false };
    let (body, notes) = write(&request);
    assert_eq!((&body["text"]["format"]["strict"], &*notes), (&json!(false), "text.format.strict=dropped"));
    request.format =
        OutputFormat::JsonSchema { name: None, description: None, schema, strict: None, is_openapi: false };
    let (body, _) = write(&request);
    assert_eq!(body["text"]["format"]["name"], "response");
    assert_eq!(body["text"]["format"]["strict"], false);
}

#[test]
fn an_object_is_spoken_of_because_openai_demands_that() {
    let mut request = asked(vec![text("as jSoN please")]);
    request.format = OutputFormat::JsonObject;
    let (body, notes) = write(&request);
    assert_eq!((body["input"].as_array().unwrap().len(), notes.as_str()), (1, ""));
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}}));
    let mut request = asked(vec![text("Hi")]);
    request.format = OutputFormat::JsonObject;
    let (body, notes) = write(&request);
    assert!(body["input"][0]["content"][0]["text"].as_str().unwrap().contains("JSON"));
    assert_eq!(notes, "response_format.json_object=approximated");
}

#[test]
fn instructions_alone_are_the_input() {
    let request = Request { system: vec![text("A")], ..Request::default() };
    let (body, _) = write(&request);
    assert_eq!(body.get("instructions"), None);
    assert_eq!(body["input"][0]["role"], "developer");
}

#[test]
fn an_input_without_items_is_refused() {
    assert_eq!(write_to(&asked(Vec::new()), &target("gpt-5.4")).unwrap_err().param, "input");
}

#[test]
fn reasoning_is_said_as_the_model_takes_it() {
    let state = json!(["reasoning.encrypted_content"]);
    let with = |effort, budget, visible, model| {
        let mut request = asked(vec![text("Hi")]);
        request.reasoning.effort = effort;
        request.reasoning.budget = budget;
        request.reasoning.visible = visible;
        let (body, notes) = write_to(&request, &target(model)).unwrap();
        (body["reasoning"].clone(), body["include"].clone(), notes)
    };
    let none = Json::Null;
    assert_eq!(with(None, None, None, "gpt-5.4"), (none.clone(), none.clone(), String::new()));
    let high = json!({"effort": "high", "summary": "auto"});
    assert_eq!(with(Some(Effort::High), None, Some(true), "gpt-5.4"), (high, state.clone(), String::new()));
    let approximated = "reasoning.budget=approximated".to_owned();
    assert_eq!(with(None, Some(1500), None, "gpt-5.4"), (json!({"effort": "low"}), state.clone(), approximated));
    let clamped = "reasoning.effort=clamped".to_owned();
    let (reasoning, _, notes) = with(Some(Effort::Max), None, None, "o3");
    assert_eq!((reasoning, notes), (json!({"effort": "high"}), clamped));
    // One that always thinks gives its state, because nothing is stored.
    assert_eq!(with(None, None, None, "o3").1, state);
    let dropped = "reasoning.effort=dropped".to_owned();
    assert_eq!(with(Some(Effort::Low), None, Some(true), "gpt-4o"), (none.clone(), none, dropped));

    let mut on = asked(vec![text("Hi")]);
    on.reasoning.enabled = Some(true);
    assert_eq!(write(&on).0["reasoning"], json!({"effort": "medium"}));
    assert_eq!(write_to(&on, &target("o3")).unwrap().0.get("reasoning"), None);

    let mut off = asked(vec![text("Hi")]);
    off.reasoning.enabled = Some(false);
    let (body, notes) = write_to(&off, &target("gpt-4o")).unwrap();
    assert_eq!((body.get("reasoning"), notes.as_str()), (None, ""));
    let (body, notes) = write(&off);
    assert_eq!((&body["reasoning"], notes.as_str()), (&json!({"effort": "none"}), ""));
    assert_eq!(body.get("include"), None);
}

#[test]
fn controls_are_said_where_they_exist() {
    let number = |text: &'static str| Some(Value::parse(text.as_bytes()).unwrap());
    let mut request = asked(vec![text("Hi")]);
    request.stream = true;
    request.max_output_tokens = Some(5);
    request.sampling.temperature = number("0.70");
    request.sampling.top_p = number("1");
    request.sampling.top_k = number("40");
    request.sampling.seed = number("7");
    request.sampling.presence_penalty = number("0.5");
    request.sampling.frequency_penalty = number("0.0");
    request.sampling.log_probabilities = Some(2);
    let (body, notes) = write_to(&request, &target("gpt-4o")).unwrap();
    assert_eq!(body["stream"], true);
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!((&body["temperature"], &body["top_p"]), (&json!(0.7), &json!(1)));
    assert_eq!(body["top_logprobs"], 2);
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    assert_eq!(notes, "max_output_tokens=clamped, top_k=dropped, seed=dropped, presence_penalty=dropped");

    let (body, notes) = write_to(&request, &target("o3")).unwrap();
    assert_eq!((body.get("temperature"), body.get("top_p")), (None, None));
    assert!(notes.contains("temperature=dropped") && !notes.contains("top_p"), "{notes}");
}

#[test]
fn what_would_change_the_meaning_is_refused() {
    let refused = |change: &dyn Fn(&mut Request<'static>)| {
        let mut request = asked(vec![text("Hi")]);
        change(&mut request);
        write_to(&request, &target("gpt-5.4")).unwrap_err().param
    };
    assert_eq!(refused(&|request| request.stop = vec![Text::from("x")]), "stop");
    assert_eq!(refused(&|request| request.sampling.choices = Some(2)), "n");
    let audio = Block::Audio { data: Text::from("AA=="), format: Text::from("wav") };
    assert_eq!(refused(&|request| request.messages[0].content.push(audio.clone())), "input_audio");
}

#[test]
fn the_user_is_named_within_bounds() {
    let long = "u".repeat(200);
    let mut request = asked(vec![text("Hi")]);
    request.user.id = Some(Text::from(long.as_str()));
    request.user.cache_key = Some(Text::from("k"));
    let (body, notes) = write(&request);
    assert_eq!((body["safety_identifier"].as_str().unwrap().len(), notes.as_str()), (64, "user=clamped"));
    assert_eq!(body["prompt_cache_key"], "k");
}

#[test]
fn compatible_providers_are_told_what_all_of_them_know() {
    let compatible = Target { is_compatible: true, ..target("maker/model") };
    let mut request = asked(vec![text("Hi")]);
    request.user.id = Some(Text::from("u"));
    request.user.cache_key = Some(Text::from("k"));
    request.user.verbosity = Some(Text::from("low"));
    request.reasoning.effort = Some(Effort::Max);
    request.messages.push(Message { role: Role::System, content: vec![text("late")] });
    let (body, notes) = write_to(&request, &compatible).unwrap();
    assert_eq!(body["user"], "u");
    assert_eq!(body["reasoning"], json!({"effort": "high"}));
    assert_eq!(body["input"][1]["role"], "system");
    for absent in ["safety_identifier", "prompt_cache_key", "text", "include"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(notes, "verbosity=dropped, reasoning.effort=clamped, prompt_cache_key=dropped");
}

#[test]
fn what_the_model_was_to_go_on_from_is_an_earlier_turn() {
    let mut request = asked(vec![text("Hi")]);
    request.messages.push(said(vec![text("Well,")]));
    assert_eq!(write(&request).1, "messages.prefill=approximated");
}
