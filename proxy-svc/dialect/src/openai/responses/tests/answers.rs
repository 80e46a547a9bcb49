//! Whole answers.

use super::*;
use crate::Protocol;
use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Media, Reasoning, Signature, Text, ToolCall, Value};
use crate::openai::responses::{read_answer, write_answer as writer};
use crate::translate::seal_text;
use crate::usage::Usage;

fn read_answer(body: &Json) -> Option<Answer<'static>> {
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    read_answer::read(Value::parse(body.as_bytes()).unwrap())
}

fn written(answer: &Answer<'_>, usage: Option<&Usage>) -> Json {
    let mut out = Vec::new();
    writer::write(answer, usage, &terms(), &mut out);
    serde_json::from_slice(&out).unwrap()
}

fn choice(content: Vec<Block<'_>>, finish: Finish) -> Answer<'_> {
    let choice = Choice { index: 0, content, finish, stop_sequence: None, log_probabilities: None };
    Answer { choices: vec![choice], ..Answer::default() }
}

fn call<'a>(id: Option<&'a str>, arguments: &'a str, is_custom: bool) -> Block<'a> {
    Block::ToolCall(ToolCall {
        id: id.map(Text::from),
        name: Text::from("f"),
        arguments: Arguments::Written(Text::from(arguments)),
        is_custom,
        signature: None,
        cache: None,
    })
}

#[test]
fn everything_that_a_model_said_is_read() {
    let answer = read_answer(&json!({
    "id": "resp_1", "object": "response", "model": "gpt-5.4", "status": "completed", "error": null, "output": [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
         "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "Hi", "annotations": [{"type": "url_citation"}],
             "logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72], "top_logprobs": []}]},
            {"type": "refusal", "refusal": "No"}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "c", "input": "ls"},
    ]}))
    .unwrap();
    assert_eq!((answer.id.clone(), answer.model.clone()), (Some(Text::from("resp_1")), Some(Text::from("gpt-5.4"))));
    let [choice] = answer.choices.as_slice() else { panic!() };
    assert_eq!(choice.finish, Finish::ToolCalls);
    let tokens = choice.log_probabilities.as_deref().unwrap();
    assert_eq!(tokens, r#"{"content":[{"bytes":[72],"logprob":-0.5,"token":"Hi","top_logprobs":[]}],"refusal":null}"#);
    let [
        Block::Reasoning(thought),
        Block::Text { text, .. },
        Block::Refusal(no),
        Block::ToolCall(f),
        Block::ToolCall(c),
    ] = choice.content.as_slice()
    else {
        panic!("{choice:?}")
    };
    assert_eq!(thought.text, "a\n\nb");
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_1 gAAA") };
    assert_eq!(thought.signature, Some(own));
    assert_eq!((text.decode(), no.decode()), ("Hi".into(), "No".into()));
    assert_eq!((f.is_custom, c.is_custom, c.id.clone()), (false, true, Some(Text::from("call_2"))));
}

#[test]
fn why_it_stopped_is_told_by_the_status() {
    for (members, finish) in [
        (json!({"status": "completed"}), Finish::Stop),
        (json!({}), Finish::Stop),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}), Finish::Length),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}), Finish::ContentFilter),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "steered"}}), Finish::Pause),
        (json!({"status": "incomplete"}), Finish::Length),
    ] {
        let mut body = json!({"output": []});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(read_answer(&body).unwrap().choices[0].finish, finish, "{body}");
    }
}

#[test]
fn what_is_no_answer_is_none() {
    for body in [
        json!({}),
        json!([]),
        json!({"output": "x"}),
        json!({"error": {"message": "x"}}),
        json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "x"}}),
    ] {
        assert_eq!(read_answer(&body), None, "{body}");
    }
}

#[test]
fn calls_that_the_model_wrapped_are_told_apart() {
    let arguments = r#"{"tool_uses":[{"recipient_name":"functions.a","parameters":{"x":1}},
                                     {"recipient_name":"functions.b","parameters":{}}]}"#;
    let answer = read_answer(&json!({"output": [
        {"type": "function_call", "call_id": "call_1", "name": "multi_tool_use.parallel", "arguments": arguments}]}))
    .unwrap();
    let names: Vec<_> = answer.choices[0]
        .content
        .iter()
        .map(|block| match block {
            Block::ToolCall(call) => call.name.decode().into_owned(),
            _ => String::new(),
        })
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(answer.choices[0].finish, Finish::ToolCalls);
}

#[test]
fn a_response_is_whole() {
    let foreign = Signature { origin: Protocol::Anthropic, value: Text::from("ErUB") };
    let mut answer = choice(
        vec![
            Block::Reasoning(Reasoning { text: Text::from("T"), signature: Some(foreign.clone()) }),
            Block::text(Text::from("Hi")),
            Block::Refusal(Text::from("No")),
            call(Some("toolu_1"), "{\"a\":1}", false),
            call(None, "", false),
            call(Some("c"), "", true),
            Block::text(Text::from("after")),
        ],
        Finish::ToolCalls,
    );
    answer.model = Some(Text::from("claude"));
    answer.choices[0].log_probabilities = Some(r#"{"content": [{"token": "Hi"}]}"#.into());
    let usage = Usage {
        input_uncached: 35,
        cache_read: 10,
        cache_write_5m: 3,
        cache_write_1h: 2,
        output: 20,
        reasoning: 4,
        ..Usage::default()
    };
    let body = written(&answer, Some(&usage));
    assert_eq!(
        body,
        json!({
            "id": "resp_0192ab", "object": "response", "created_at": 1_764_000_000, "status": "completed",
            "background": false, "completed_at": null, "error": null, "incomplete_details": null, "model": "claude",
            "output": [
                {"type": "reasoning", "id": "rs_0192ab_0", "summary": [{"type": "summary_text", "text": "T"}],
                 "encrypted_content": seal_text(&Open, &foreign)},
                {"type": "message", "id": "msg_0192ab_1", "status": "completed", "role": "assistant", "content": [
                    {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": [{"token": "Hi"}]},
                    {"type": "refusal", "refusal": "No"}]},
                {"type": "function_call", "id": "fc_0192ab_2", "status": "completed", "call_id": "toolu_1",
                 "name": "f", "arguments": "{\"a\":1}"},
                {"type": "function_call", "id": "fc_0192ab_3", "status": "completed", "call_id": "call_0192ab_1",
                 "name": "f", "arguments": "{}"},
                {"type": "custom_tool_call", "id": "ctc_0192ab_4", "status": "completed", "call_id": "c",
                 "name": "f", "input": ""},
                {"type": "message", "id": "msg_0192ab_5", "status": "completed", "role": "assistant", "content": [
                    {"type": "output_text", "text": "after", "annotations": [], "logprobs": []}]},
            ],
            "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "metadata": {},
            "parallel_tool_calls": true, "previous_response_id": null, "prompt_cache_key": null,
            "reasoning": {"effort": null, "summary": null}, "safety_identifier": null, "service_tier": "default",
            "store": false, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
            "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": null,
            "usage": {"input_tokens": 50, "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
                      "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 70},
        })
    );
}

#[test]
fn an_own_thought_keeps_its_id_and_its_state() {
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_theirs gAAA") };
    let thought = Block::Reasoning(Reasoning { text: Text::EMPTY, signature: Some(own) });
    let body = written(&choice(vec![thought], Finish::Stop), None);
    let item = json!({"type": "reasoning", "id": "rs_theirs", "summary": [], "encrypted_content": "gAAA"});
    assert_eq!(body["output"], json!([item]));
    assert_eq!((&body["usage"], &body["model"]), (&Json::Null, &json!("asked")));
}

#[test]
fn an_answer_that_was_cut_off_says_so() {
    for (finish, reason) in [
        (Finish::Length, "max_output_tokens"),
        (Finish::ContextWindow, "max_output_tokens"),
        (Finish::ContentFilter, "content_filter"),
    ] {
        let body = written(&choice(vec![call(None, "{}", false), Block::text(Text::from("a"))], finish), None);
        assert_eq!((&body["status"], &body["incomplete_details"]["reason"]), (&json!("incomplete"), &json!(reason)));
        assert_eq!(body["output"][0]["status"], "completed");
        assert_eq!(body["output"][1]["status"], "incomplete");
    }
    for finish in [Finish::Stop, Finish::StopSequence, Finish::ToolCalls, Finish::Pause] {
        assert_eq!(written(&choice(Vec::new(), finish), None)["status"], "completed");
    }
    let blocked = written(&Answer { blocked: Some(Text::from("SAFETY")), ..Answer::default() }, None);
    assert_eq!((&blocked["status"], &blocked["output"]), (&json!("incomplete"), &json!([])));
    assert_eq!(blocked["incomplete_details"]["reason"], "content_filter");
}

#[test]
fn an_image_is_what_the_images_tool_gives() {
    let media = Media::Inline { media_type: Text::from("image/png"), data: Text::from("AA==") };
    let body = written(&choice(vec![Block::Image { media, detail: None, cache: None }], Finish::Stop), None);
    let item = json!({"type": "image_generation_call", "id": "ig_0192ab_0", "status": "completed", "result": "AA=="});
    assert_eq!(body["output"], json!([item]));
}

#[test]
fn what_the_caller_asked_is_repeated() {
    let body = br#"{"model":"m","input":"x", "temperature": 0.5,
        "tools": [ {"type":"function", "name":"f"} ]}"#;
    let echo = Format::Responses.codec().echo(Value::parse(body).unwrap());
    let upstream = br#"{"output":[]}"#;
    let terms = Terms { echo: &echo, ..terms() };
    let out = write_answer(Format::Responses, Format::Responses, upstream, None, &terms, &Names::default()).unwrap();
    let body: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!((&body["temperature"], &body["tools"][0]["name"]), (&json!(0.5), &json!("f")));
}
