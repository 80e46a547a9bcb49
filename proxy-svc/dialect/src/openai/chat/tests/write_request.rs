use serde_json::json;

use super::*;
use crate::Protocol;
use crate::canonical::{
    Arguments, Block, CacheControl, Effort, Media, Message, OutputFormat, Reasoning, ReasoningRequest, Role, Sampling,
    ServiceUser, Signature, Text, Tool, ToolCall, ToolChoice, ToolResult,
};

fn text(text: &str) -> Block<'_> {
    Block::text(Text::from(text))
}

const fn said(role: Role, content: Vec<Block<'_>>) -> Message<'_> {
    Message { role, content }
}

fn asked<'a>() -> Request<'a> {
    Request { messages: vec![said(Role::User, vec![text("hi")])], ..Request::default() }
}

fn call<'a>(id: Option<&'a str>, name: &'a str) -> Block<'a> {
    Block::ToolCall(ToolCall {
        id: id.map(Text::from),
        name: Text::from(name),
        arguments: Arguments::Object(value(r#"{"a":1}"#)),
        is_custom: false,
        signature: None,
        cache: None,
    })
}

fn result<'a>(id: Option<&'a str>, name: Option<&'a str>, content: Vec<Block<'a>>) -> ToolResult<'a> {
    ToolResult {
        id: id.map(Text::from),
        name: name.map(Text::from),
        content,
        is_error: false,
        is_custom: false,
        cache: None,
    }
}

fn tool<'a>(name: &'a str, parameters: &'a str) -> Tool<'a> {
    Tool {
        name: Text::from(name),
        description: None,
        parameters: Some(value(parameters)),
        strict: None,
        is_custom: false,
        is_openapi: false,
        cache: None,
    }
}

fn body(request: &Request<'_>, target: &Target<'_>) -> Json {
    json(&write(request, target).body)
}

fn notes(request: &Request<'_>, target: &Target<'_>) -> Vec<String> {
    names(&write(request, target).notes)
}

#[test]
fn a_plain_question_is_written_plainly() {
    let written = write(&asked(), &OPENAI);
    assert_eq!(written.path, "/chat/completions");
    assert_eq!(json(&written.body), json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}));
    assert_eq!(written.notes, []);
}

#[test]
fn results_stand_right_behind_their_calls() {
    let image = Block::Image {
        media: Media::Inline { media_type: Text::from("image/png"), data: Text::from("AA==") },
        detail: None,
        cache: None,
    };
    let failed = ToolResult { is_error: true, ..result(Some("b"), None, vec![text("no")]) };
    let request = Request {
        system: vec![text("one"), text("two")],
        messages: vec![
            said(Role::Assistant, vec![text("a"), text("b"), call(Some("a"), "f")]),
            said(Role::Assistant, vec![call(Some("b"), "g"), text("c")]),
            said(Role::System, vec![text("late")]),
            said(Role::User, vec![text("also"), Block::ToolResult(result(Some("a"), None, vec![image]))]),
            said(Role::User, vec![Block::ToolResult(failed)]),
        ],
        ..Request::default()
    };
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"a\":1}"}});
    assert_eq!(
        body(&request, &OPENAI)["messages"],
        json!([
            {"role": "system", "content": "one\n\ntwo"},
            {"role": "assistant", "content": "ab\n\nc", "tool_calls": [call("a", "f"), call("b", "g")]},
            {"role": "tool", "tool_call_id": "a", "content": "The result is shown in the next message."},
            {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
            {"role": "user", "content": [
                {"type": "text", "text": "From the result of the tool call a:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
            ]},
            {"role": "system", "content": "late"},
            {"role": "user", "content": "also"}
        ])
    );
    let expected = ["tool_result.content=approximated", "tool_result.is_error=approximated"];
    assert_eq!(notes(&request, &OPENAI), expected);
}

#[test]
fn calls_without_ids_get_some_and_results_find_them() {
    let long = "x".repeat(41);
    let results = vec![
        Block::ToolResult(result(None, Some("g"), vec![text("2")])),
        Block::ToolResult(result(None, Some("f"), vec![text("1")])),
        Block::ToolResult(result(None, None, vec![text("3")])),
        Block::ToolResult(result(Some(&long), None, vec![text("4")])),
    ];
    let calls = vec![call(None, "f"), call(None, "g"), call(Some(""), "f"), call(Some(&long), "f")];
    let request =
        Request { messages: vec![said(Role::Assistant, calls), said(Role::User, results)], ..Request::default() };
    let messages = body(&request, &OPENAI)["messages"].clone();
    let ids: Vec<&Json> = messages[0]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    assert_eq!(ids[..3], ["call_1", "call_2", "call_3"]);
    assert!(ids[3].as_str().unwrap().len() <= 40);
    let answered: Vec<&Json> = (1..5).map(|index| &messages[index]["tool_call_id"]).collect();
    assert_eq!(answered, [ids[1], ids[0], ids[2], ids[3]]);
}

#[test]
fn parts_of_the_user_are_written() {
    let pdf = Media::Inline { media_type: Text::from("application/pdf"), data: Text::from("CC") };
    let content = vec![
        Block::Text { text: Text::from("look"), cache: Some(CacheControl::FiveMinutes) },
        Block::Image {
            media: Media::Url { url: Text::from("https://x"), media_type: None },
            detail: Some(Text::from("low")),
            cache: None,
        },
        Block::Audio { data: Text::from("BB"), format: Text::from("mp3") },
        Block::Document { media: pdf, name: None, cache: None },
        Block::Document { media: Media::Plain(Text::from("t")), name: Some(Text::from("n")), cache: None },
    ];
    let request = Request { messages: vec![said(Role::User, content)], ..Request::default() };
    assert_eq!(
        body(&request, &OPENAI)["messages"][0]["content"],
        json!([
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "BB", "format": "mp3"}},
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,CC"}},
            {"type": "text", "text": "n\n\nt"}
        ])
    );
    assert_eq!(notes(&request, &OPENAI), ["cache_control=dropped"]);
}

#[test]
fn documents_that_must_be_fetched_are_refused() {
    let media = Media::Url { url: Text::from("https://x"), media_type: None };
    let content = vec![Block::Document { media, name: None, cache: None }];
    let request = Request { messages: vec![said(Role::User, content)], ..Request::default() };
    assert_eq!(translate::write_request(&request, &OPENAI).unwrap_err().param, "document.url");
}

#[test]
fn several_texts_are_parts_only_where_parts_are_known() {
    let request = Request { messages: vec![said(Role::User, vec![text("a"), text("b")])], ..Request::default() };
    let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(body(&request, &OPENAI)["messages"][0]["content"], parts);
    assert_eq!(body(&request, &COMPATIBLE)["messages"][0]["content"], "a\n\nb");
}

#[test]
fn refusals_stay_refusals_where_they_are_known() {
    let messages =
        vec![said(Role::Assistant, vec![Block::Refusal(Text::from("no"))]), said(Role::User, vec![text("q")])];
    let request = Request { messages, ..Request::default() };
    let parts = json!([{"type": "refusal", "refusal": "no"}]);
    assert_eq!(body(&request, &OPENAI)["messages"][0]["content"], parts);
    assert_eq!(body(&request, &COMPATIBLE)["messages"][0]["content"], "no");
}

#[test]
fn thoughts_go_back_only_where_they_are_wanted() {
    let signature = Some(Signature { origin: Protocol::Anthropic, value: Text::from("s") });
    let thought = Block::Reasoning(Reasoning { text: Text::from("hm"), signature });
    let messages = vec![
        said(Role::Assistant, vec![thought.clone(), text("a"), call(Some("a"), "f")]),
        said(Role::User, vec![Block::ToolResult(result(Some("a"), None, vec![text("r")]))]),
        said(Role::Assistant, vec![thought, text("b")]),
        said(Role::User, vec![text("q")]),
    ];
    let request = Request { messages, ..Request::default() };
    let deepseek = Target { model: "deepseek-reasoner", ..COMPATIBLE };
    let messages = &body(&request, &deepseek)["messages"];
    assert_eq!(messages[0]["reasoning_content"], "hm");
    assert_eq!(messages[2], json!({"role": "assistant", "content": "b"}));
    assert_eq!(body(&request, &OPENAI)["messages"][0].get("reasoning_content"), None);
    assert_eq!(notes(&request, &OPENAI), ["messages.reasoning=dropped"]);
}

#[test]
fn tools_are_written_as_openai_takes_them() {
    let long = "n".repeat(80);
    let closed =
        r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#;
    let request = Request {
        tools: vec![
            Tool { strict: Some(true), description: Some(Text::from("d")), ..tool("f", closed) },
            Tool { strict: Some(true), ..tool(&long, r#"{"type":"object"}"#) },
            Tool { is_custom: true, parameters: None, ..tool("c", "{}") },
        ],
        tool_choice: Some(ToolChoice::Named(Text::from("c"))),
        parallel_tool_calls: Some(false),
        ..asked()
    };
    let written = write(&request, &OPENAI);
    let found = json(&written.body);
    let short = found["tools"][1]["function"]["name"].as_str().unwrap();
    assert!(short.len() <= 64);
    assert_eq!(written.names.original(short), long);
    let parameters: Json = serde_json::from_str(closed).unwrap();
    assert_eq!(
        found["tools"],
        json!([
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": parameters, "strict": true}},
            {"type": "function", "function": {"name": short, "parameters": {"type": "object", "properties": {}}}},
            {"type": "custom", "custom": {"name": "c"}}
        ])
    );
    assert_eq!(found["tool_choice"], json!({"type": "custom", "custom": {"name": "c"}}));
    assert_eq!(found["parallel_tool_calls"], false);
    assert_eq!(names(&written.notes), ["tools.strict=dropped"]);
    assert_eq!(translate::write_request(&request, &COMPATIBLE).unwrap_err().param, "tools.custom");
}

#[test]
fn allowed_tools_are_a_list_or_the_only_ones() {
    let allowed = ToolChoice::Allowed { names: vec![Text::from("f")], required: true };
    let request = Request { tools: vec![tool("f", "{}"), tool("g", "{}")], tool_choice: Some(allowed), ..asked() };
    let choice = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "f"}}
    ]}});
    let found = body(&request, &OPENAI);
    assert_eq!((&found["tool_choice"], found["tools"].as_array().unwrap().len()), (&choice, 2));
    let found = body(&request, &COMPATIBLE);
    assert_eq!((&found["tool_choice"], found["tools"].as_array().unwrap().len()), (&json!("required"), 1));
}

#[test]
fn without_tools_nothing_is_said_of_choosing() {
    let request = Request { tool_choice: Some(ToolChoice::Auto), parallel_tool_calls: Some(false), ..asked() };
    let found = body(&request, &OPENAI);
    assert_eq!((found.get("tool_choice"), found.get("parallel_tool_calls"), found.get("tools")), (None, None, None));
}

#[test]
fn formats_are_written() {
    let closed = r#"{"type":"object","properties":{},"required":[],"additionalProperties":false}"#;
    let format =
        |name, strict, schema| OutputFormat::JsonSchema { name, description: None, schema, strict, is_openapi: false };
    let request = Request { format: format(None, None, value(closed)), ..asked() };
    let schema: Json = serde_json::from_str(closed).unwrap();
    let expected =
        json!({"type": "json_schema", "json_schema": {"name": "response", "schema": schema, "strict": true}});
    assert_eq!(body(&request, &OPENAI)["response_format"], expected);
    let odd = Some(Text::from("odd name"));
    let request = Request { format: format(odd, Some(true), value(r#"{"type":"array"}"#)), ..asked() };
    let expected = json!({"type": "json_schema", "json_schema": {"name": "odd_name", "schema": {"type": "array"}}});
    assert_eq!(body(&request, &OPENAI)["response_format"], expected);
    assert_eq!(notes(&request, &OPENAI), ["response_format.strict=dropped"]);
}

#[test]
fn an_answer_in_json_is_asked_for_in_words_too() {
    let request = Request { format: OutputFormat::JsonObject, ..asked() };
    let found = body(&request, &OPENAI);
    assert_eq!(found["response_format"], json!({"type": "json_object"}));
    assert_eq!(found["messages"][0]["content"], "Answer with a JSON object.");
    let request = Request { system: vec![text("Give me Json")], ..request };
    assert_eq!(body(&request, &OPENAI)["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn settings_are_written_as_openai_names_them() {
    let request = Request {
        max_output_tokens: Some(7),
        stop: vec![Text::from("x")],
        stream: true,
        sampling: Sampling {
            temperature: Some(value("0.5")),
            top_p: Some(value("0.9")),
            top_k: Some(value("4")),
            seed: Some(value("1")),
            frequency_penalty: Some(value("0.1")),
            presence_penalty: Some(value("0.2")),
            choices: Some(2),
            log_probabilities: Some(3),
        },
        user: ServiceUser {
            id: Some(Text::from("u")),
            cache_key: Some(Text::from("k")),
            verbosity: Some(Text::from("low")),
        },
        ..asked()
    };
    let mut found = body(&request, &Target { model: "unknown", ..OPENAI });
    found.as_object_mut().unwrap().remove("messages");
    let mut expected = json!({
        "model": "unknown", "max_completion_tokens": 7, "stop": ["x"], "temperature": 0.5, "top_p": 0.9, "seed": 1,
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "n": 2, "logprobs": true, "top_logprobs": 3,
        "safety_identifier": "u", "prompt_cache_key": "k", "verbosity": "low",
        "stream": true, "stream_options": {"include_usage": true}
    });
    assert_eq!(found, expected);
    assert_eq!(notes(&request, &Target { model: "unknown", ..OPENAI }), ["top_k=dropped"]);

    let mut found = body(&request, &COMPATIBLE);
    found.as_object_mut().unwrap().remove("messages");
    let members = expected.as_object_mut().unwrap();
    for name in ["max_completion_tokens", "safety_identifier", "prompt_cache_key", "verbosity"] {
        members.remove(name);
    }
    members.insert("max_tokens".to_owned(), json!(7));
    members.insert("model".to_owned(), json!("llama"));
    assert_eq!(found, expected);
    let dropped = ["top_k=dropped", "user=dropped", "prompt_cache_key=dropped", "verbosity=dropped"];
    assert_eq!(notes(&request, &COMPATIBLE), dropped);
}

#[test]
fn reasoning_models_get_no_sampling() {
    let sampling = |temperature| Sampling {
        temperature: Some(value(temperature)),
        top_p: Some(value("1.0")),
        frequency_penalty: Some(value("0.5")),
        ..Sampling::default()
    };
    let request = Request {
        sampling: sampling("0.2"),
        parallel_tool_calls: Some(false),
        tools: vec![tool("f", "{}")],
        ..asked()
    };
    let o3 = Target { model: "o3", ..OPENAI };
    let found = body(&request, &o3);
    for name in ["temperature", "top_p", "frequency_penalty", "parallel_tool_calls"] {
        assert_eq!(found.get(name), None);
    }
    let expected = ["parallel_tool_calls=dropped", "temperature=dropped", "frequency_penalty=dropped"];
    assert_eq!(notes(&request, &o3), expected);
    let default = Request { sampling: Sampling { temperature: Some(value("1")), ..Sampling::default() }, ..asked() };
    assert_eq!(notes(&default, &o3), Vec::<String>::new());
    let off = ReasoningRequest { effort: Some(Effort::None), ..ReasoningRequest::default() };
    let high = ReasoningRequest { effort: Some(Effort::High), ..ReasoningRequest::default() };
    for (reasoning, temperature) in [(off, json!(0.2)), (ReasoningRequest::default(), json!(0.2)), (high, Json::Null)] {
        let request = Request { sampling: sampling("0.2"), reasoning, ..asked() };
        assert_eq!(body(&request, &Target { model: "gpt-5.2", ..OPENAI })["temperature"], temperature);
    }
}

#[test]
fn effort_is_what_the_model_takes() {
    let written = |reasoning: ReasoningRequest<'static>, target: Target<'_>| {
        let request = Request { reasoning, ..asked() };
        (body(&request, &target).get("reasoning_effort").cloned(), notes(&request, &target))
    };
    let budget = ReasoningRequest { enabled: Some(true), budget: Some(8000), ..ReasoningRequest::default() };
    let effort = |effort| ReasoningRequest { effort: Some(effort), ..ReasoningRequest::default() };
    let off = ReasoningRequest { enabled: Some(false), ..ReasoningRequest::default() };
    let o3 = Target { model: "o3", ..OPENAI };
    let note = |note: &str| vec![note.to_owned()];
    assert_eq!(written(budget.clone(), o3), (Some(json!("medium")), note("reasoning.budget=approximated")));
    assert_eq!(written(budget, OPENAI), (None, note("reasoning.budget=dropped")));
    assert_eq!(written(effort(Effort::Max), o3), (Some(json!("high")), note("reasoning.effort=clamped")));
    assert_eq!(written(effort(Effort::High), COMPATIBLE), (Some(json!("high")), vec![]));
    assert_eq!(written(effort(Effort::None), COMPATIBLE), (None, note("reasoning.effort=dropped")));
    assert_eq!(written(off, OPENAI), (None, vec![]));
    let visible = ReasoningRequest { visible: Some(true), ..ReasoningRequest::default() };
    assert_eq!(written(visible, o3), (None, note("reasoning.summary=dropped")));
}

#[test]
fn more_stops_than_openai_takes_are_refused() {
    let request = Request { stop: vec![Text::from("x"); 5], ..asked() };
    assert_eq!(translate::write_request(&request, &OPENAI).unwrap_err().param, "stop");
    assert_eq!(body(&request, &COMPATIBLE)["stop"].as_array().unwrap().len(), 5);
}

#[test]
fn a_conversation_of_which_nothing_is_left_is_refused() {
    let thought = Block::Reasoning(Reasoning { text: Text::from("Hm."), signature: None });
    for content in [vec![], vec![thought]] {
        let request = Request { messages: vec![Message { role: Role::Assistant, content }], ..Request::default() };
        assert_eq!(translate::write_request(&request, &OPENAI).unwrap_err().param, "messages");
    }
}

#[test]
fn a_conversation_that_ends_with_the_assistant_is_noted() {
    let request = Request {
        messages: vec![said(Role::User, vec![text("q")]), said(Role::Assistant, vec![text("It is")])],
        ..Request::default()
    };
    assert_eq!(notes(&request, &OPENAI), ["messages.prefill=approximated"]);
    assert_eq!(body(&request, &OPENAI)["messages"][1], json!({"role": "assistant", "content": "It is"}));
}
