//! Whole answers in both directions.

use super::*;
use crate::Protocol;
use crate::canonical::{Arguments, Block, Choice, Finish, Reasoning, Signature, Text, ToolCall};
use crate::translate::{open_text, write_answer};

fn read(answer: &Json, check: impl FnOnce(&Choice<'_>)) {
    let answer = answer.to_string();
    let answer = Messages.read_answer(Value::parse(answer.as_bytes()).unwrap()).unwrap();
    assert_eq!(answer.choices.len(), 1);
    check(&answer.choices[0]);
}

fn write(answer: &Answer<'_>, usage: Option<&Usage>) -> Json {
    let mut out = Vec::new();
    Messages.write_answer(answer, usage, &TERMS, &mut out);
    serde_json::from_slice(&out).unwrap()
}

fn of(content: Vec<Block<'static>>, finish: Finish) -> Answer<'static> {
    let choice = Choice { index: 0, content, finish, stop_sequence: None, log_probabilities: None };
    Answer { choices: vec![choice], ..Answer::default() }
}

#[test]
fn an_answer_is_read_without_what_servers_did() {
    let answer = json!({"id": "msg_1", "type": "message", "model": "claude-x", "role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "S=="}, {"type": "redacted_thinking", "data": "D=="},
        {"type": "text", "text": "a\nb", "citations": [{"type": "page_location"}]}, {"type": "text", "text": ""},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "mcp_tool_result", "content": [{"type": "text", "text": "x"}]}, {"type": "new_block"}, 5,
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}, {"type": "tool_use", "id": "toolu_2", "name": "g"},
    ], "stop_reason": "tool_use", "stop_sequence": null});
    read(&answer, |choice| {
        let own = |value: &'static str| Some(Signature { origin: Protocol::Anthropic, value: Text::from(value) });
        let call = |id: &'static str, name: &'static str, input: &'static str| {
            Block::ToolCall(ToolCall {
                id: Some(Text::from(id)),
                name: Text::from(name),
                arguments: Arguments::Object(Value::parse(input.as_bytes()).unwrap()),
                is_custom: false,
                signature: None,
                cache: None,
            })
        };
        let expected = [
            Block::Reasoning(Reasoning { text: Text::from("hm"), signature: own("S==") }),
            Block::Reasoning(Reasoning { text: Text::EMPTY, signature: own("redacted:D==") }),
            Block::text(Text::from("a\nb")),
            call("toolu_1", "f", r#"{"a":1}"#),
            call("toolu_2", "g", "{}"),
        ];
        assert_eq!((&choice.content[..], choice.finish), (&expected[..], Finish::ToolCalls));
    });
    for nothing in [json!({"error": {}}), json!([]), json!({"content": "x"})] {
        assert!(Messages.read_answer(Value::parse(nothing.to_string().as_bytes()).unwrap()).is_none());
    }
}

#[test]
fn every_reason_to_stop_is_read_and_written() {
    for (reason, finish, written) in [
        ("end_turn", Finish::Stop, "end_turn"),
        ("stop_sequence", Finish::StopSequence, "stop_sequence"),
        ("max_tokens", Finish::Length, "max_tokens"),
        ("tool_use", Finish::ToolCalls, "tool_use"),
        ("refusal", Finish::ContentFilter, "refusal"),
        ("pause_turn", Finish::Pause, "pause_turn"),
        ("model_context_window_exceeded", Finish::ContextWindow, "model_context_window_exceeded"),
        ("compaction", Finish::Stop, "end_turn"),
        ("something_new", Finish::Stop, "end_turn"),
    ] {
        read(&json!({"content": [], "stop_reason": reason, "stop_sequence": "END"}), |choice| {
            assert_eq!(choice.finish, finish);
            let answer = Answer { choices: vec![choice.clone()], ..Answer::default() };
            let answer = write(&answer, None);
            assert_eq!(answer["stop_reason"], written);
            let sequence = if reason == "stop_sequence" { json!("END") } else { Json::Null };
            assert_eq!(answer["stop_sequence"], sequence);
        });
    }
}

#[test]
fn a_refusal_is_read_with_its_explanation() {
    let answer = json!({"content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."}});
    read(&answer, |choice| {
        assert_eq!(choice.content, [Block::Refusal(Text::from("No."))]);
        assert_eq!(choice.finish, Finish::ContentFilter);
    });
}

#[test]
fn an_answer_is_written_as_the_sdks_type_it() {
    let usage = Usage {
        input_uncached: 5,
        cache_read: 4,
        cache_write_5m: 3,
        cache_write_1h: 2,
        output: 9,
        reasoning: 6,
        ..Usage::default()
    };
    let answer = of(vec![Block::text(Text::Escaped(r"a\nb")), Block::text(Text::EMPTY)], Finish::Stop);
    let expected = json!({
        "id": "msg_0190ab", "type": "message", "role": "assistant", "model": "asked-for",
        "content": [{"type": "text", "text": "a\nb"}],
        "stop_reason": "end_turn", "stop_sequence": null, "stop_details": null,
        "usage": {"input_tokens": 5, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6},
            "server_tool_use": null, "service_tier": "standard"},
    });
    assert_eq!(write(&answer, Some(&usage)), expected);
    let named = Answer { model: Some(Text::from("gpt-x")), ..answer };
    assert_eq!(write(&named, None)["model"], "gpt-x");
    assert_eq!(write(&named, None)["usage"]["input_tokens"], 0);
}

#[test]
fn thoughts_of_others_are_written_sealed() {
    let theirs = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 abc") };
    let own = Signature { origin: Protocol::Anthropic, value: Text::from("redacted:D==") };
    let thought = |text: &'static str, signature: Option<&Signature<'static>>| {
        Block::Reasoning(Reasoning { text: Text::from(text), signature: signature.cloned() })
    };
    let answer = of(
        vec![
            thought("a", Some(&theirs)),
            thought("", Some(&theirs)),
            thought("b", None),
            thought("", None),
            thought("", Some(&own)),
        ],
        Finish::Stop,
    );
    let content = write(&answer, None)["content"].clone();
    let opened = |value: &Json| open_text(&Reversed, value.as_str().unwrap());
    assert_eq!((&content[0]["type"], &content[0]["thinking"]), (&json!("thinking"), &json!("a")));
    assert_eq!(opened(&content[0]["signature"]), Some(theirs.clone()));
    assert_eq!(content[1]["type"], "redacted_thinking");
    assert_eq!(opened(&content[1]["data"]), Some(theirs));
    assert_eq!(content[2], json!({"type": "thinking", "thinking": "b", "signature": "tgs1_unsigned"}));
    assert_eq!(content[3], json!({"type": "redacted_thinking", "data": "D=="}));
    assert_eq!(content.as_array().unwrap().len(), 4);
}

#[test]
fn calls_are_written_as_objects_with_ids() {
    let call = |id: Option<&'static str>, arguments: &'static str, signature| {
        Block::ToolCall(ToolCall {
            id: id.map(Text::from),
            name: Text::from("f"),
            arguments: Arguments::Written(Text::from(arguments)),
            is_custom: false,
            signature,
            cache: None,
        })
    };
    let gemini = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let answer = of(
        vec![call(Some("call_x"), "{\"a\": 1}", None), call(None, "", Some(gemini)), call(None, "oops", None)],
        Finish::Stop,
    );
    let answer = write(&answer, None);
    let content = &answer["content"];
    assert_eq!(content[0], json!({"type": "tool_use", "id": "call_x", "name": "f", "input": {"a": 1}}));
    let id = content[1]["id"].as_str().unwrap();
    assert!(
        id.starts_with("call_0190ab_1-tgs1_")
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    );
    assert_eq!(content[1]["input"], json!({}));
    assert_eq!((&content[2]["id"], &content[2]["input"]), (&json!("call_0190ab_2"), &json!({"INVALID_JSON": "oops"})));
    assert_eq!(answer["stop_reason"], "tool_use");
}

#[test]
fn refusals_and_blocked_prompts_say_so() {
    let answer = write(&of(vec![Block::Refusal(Text::from("I will not."))], Finish::Stop), None);
    assert_eq!(answer["content"], json!([{"type": "text", "text": "I will not."}]));
    assert_eq!(answer["stop_reason"], "refusal");
    assert_eq!(answer["stop_details"], json!({"type": "refusal", "category": null, "explanation": "I will not."}));
    let answer = write(&Answer { blocked: Some(Text::from("SAFETY")), ..Answer::default() }, None);
    assert_eq!(answer["content"][0]["text"], "The provider refused the prompt: SAFETY");
    assert_eq!(answer["stop_reason"], "refusal");
    let answer = write(&of(vec![Block::text(Text::from("half"))], Finish::ContentFilter), None);
    assert_eq!(answer["stop_details"]["explanation"], Json::Null);
}

#[test]
fn names_of_tools_come_back_as_they_were() {
    let long = "x".repeat(200);
    let request = json!({"max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": long, "input_schema": {}}]});
    read_as(&request, |request, _| {
        let written = write_for(MODEL, request).unwrap();
        let body: Json = serde_json::from_slice(&written.body).unwrap();
        let name = body["tools"][0]["name"].as_str().unwrap();
        assert!(name.len() <= 128);
        let answer =
            json!({"content": [{"type": "tool_use", "id": "t", "name": name, "input": {}}], "stop_reason": "tool_use"});
        let answer = write_answer(
            Format::Messages,
            Format::Messages,
            answer.to_string().as_bytes(),
            None,
            &TERMS,
            &written.names,
        );
        let answer: Json = serde_json::from_slice(&answer.unwrap()).unwrap();
        assert_eq!(answer["content"][0]["name"], *long);
    });
}
