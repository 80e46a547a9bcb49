use serde_json::json;

use super::*;
use crate::Protocol;
use crate::canonical::{Answer, Arguments, Block, Choice, Finish, Reasoning, Signature, Text, ToolCall};
use crate::translate::{Codec, seal_text};
use crate::usage::Usage;

use super::super::Chat;

fn answered(body: &str) -> Answer<'_> {
    Chat.read_answer(value(body)).unwrap()
}

fn message(message: &str, finish: &str) -> (Vec<Block<'static>>, Finish) {
    let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"{finish}"}}]}}"#);
    let choice = answered(Box::leak(body.into_boxed_str())).choices.remove(0);
    (choice.content, choice.finish)
}

fn thought(text: &'static str) -> Block<'static> {
    Block::Reasoning(Reasoning { text: Text::from(text), signature: None })
}

fn written(answer: &Answer<'_>, usage: Option<&Usage>, terms: &Terms<'_>) -> Json {
    let mut out = Vec::new();
    Chat.write_answer(answer, usage, terms, &mut out);
    json(&out)
}

fn one(content: Vec<Block<'_>>, finish: Finish) -> Answer<'_> {
    let choice = Choice { index: 0, content, finish, stop_sequence: None, log_probabilities: None };
    Answer { choices: vec![choice], ..Answer::default() }
}

fn call(arguments: &str) -> ToolCall<'_> {
    ToolCall {
        id: None,
        name: Text::from("f"),
        arguments: Arguments::Written(Text::from(arguments)),
        is_custom: false,
        signature: None,
        cache: None,
    }
}

#[test]
fn answers_are_read_as_providers_write_them() {
    let text = |text: &'static str| Block::text(Text::from(text));
    for (found, expected) in [
        (message(r#"{"content":"a","refusal":null}"#, "stop"), (vec![text("a")], Finish::Stop)),
        (message(r#"{"content":"","reasoning_content":"t"}"#, "length"), (vec![thought("t")], Finish::Length)),
        (message(r#"{"content":"a","reasoning":"t"}"#, "eos"), (vec![thought("t"), text("a")], Finish::Stop)),
        (
            message(r#"{"reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s"}]}"#, ""),
            (vec![thought("t")], Finish::Stop),
        ),
        (
            message(
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]}"#,
                "stop",
            ),
            (vec![thought("t"), text("a")], Finish::Stop),
        ),
        (
            message(r#"{"content":null,"refusal":"no"}"#, "content_filter"),
            (vec![Block::Refusal(Text::from("no"))], Finish::ContentFilter),
        ),
        (
            message(r#"{"tool_calls":[{"function":{"name":"f","arguments":""}},{"function":{}}]}"#, "stop"),
            (vec![Block::ToolCall(call(""))], Finish::ToolCalls),
        ),
        (message(r#"{"content":"a"}"#, "tool_calls"), (vec![text("a")], Finish::Stop)),
        (
            message(r#"{"function_call":{"name":"f","arguments":"{}"}}"#, "function_call"),
            (vec![Block::ToolCall(call("{}"))], Finish::ToolCalls),
        ),
    ] {
        assert_eq!(found, expected);
    }
    let (content, _) = message(r#"{"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]}"#, "stop");
    let Block::ToolCall(call) = &content[0] else { panic!() };
    assert_eq!(
        (call.id.clone(), call.arguments.clone()),
        (Some(Text::from("c")), Arguments::Object(value(r#"{"a":1}"#)))
    );
}

#[test]
fn what_is_no_answer_is_not_read() {
    for body in [r#"{"error":{"message":"x"}}"#, "[]", r#"{"object":"list","data":[]}"#, r#"{"choices":null}"#] {
        assert_eq!(Chat.read_answer(value(body)), None);
    }
}

#[test]
fn log_probabilities_are_kept() {
    let body = r#"{"id":"x","model":"gpt","choices":[{"index":3,"message":{"content":"a"},"finish_reason":"stop",
        "logprobs":{"content":[{"token":"a","logprob":-0.1,"bytes":null,"top_logprobs":[]}],"refusal":null}}]}"#;
    let answer = answered(body);
    assert_eq!((answer.id.clone(), answer.choices[0].index), (Some(Text::from("x")), 3));
    let found = written(&answer, None, &TERMS);
    assert_eq!(found["choices"][0]["logprobs"]["content"][0]["token"], "a");
    assert_eq!((&found["model"], found.get("usage")), (&json!("gpt"), None));
}

#[test]
fn an_answer_has_what_the_sdks_need() {
    let usage = Usage {
        input_uncached: 5,
        cache_read: 3,
        cache_write_5m: 1,
        cache_write_1h: 1,
        output: 7,
        reasoning: 2,
        ..Usage::default()
    };
    let found = written(
        &one(vec![Block::text(Text::from("a")), Block::text(Text::from("b"))], Finish::Stop),
        Some(&usage),
        &TERMS,
    );
    assert_eq!(
        found,
        json!({
            "id": "chatcmpl-0a", "object": "chat.completion", "created": 1_700_000_000, "model": "asked",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "ab", "refusal": null},
                "logprobs": null, "finish_reason": "stop"
            }],
            "usage": {
                "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 2, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
                }
            }
        })
    );
}

#[test]
fn calls_and_thoughts_are_written() {
    let signature = |value: &'static str| Some(Signature { origin: Protocol::Anthropic, value: Text::from(value) });
    let sealed = |value: &'static str| seal_text(&Reversed, &signature(value).unwrap());
    let gemini = Signature { origin: Protocol::Gemini, value: Text::from("g") };
    let content = vec![
        Block::Reasoning(Reasoning { text: Text::from("t1"), signature: signature("s1") }),
        Block::Reasoning(Reasoning { text: Text::EMPTY, signature: signature("s2") }),
        thought("t3"),
        Block::ToolCall(call("")),
        Block::ToolCall(ToolCall { signature: Some(gemini.clone()), ..call("{}") }),
        Block::ToolCall(ToolCall { is_custom: true, ..call("free") }),
    ];
    let found = written(&one(content, Finish::Stop), None, &TERMS);
    let choice = &found["choices"][0];
    let signed = format!("call_0a_1-{}", seal_text(&Reversed, &gemini));
    assert_eq!(
        choice["message"],
        json!({
            "role": "assistant", "content": null, "refusal": null, "reasoning_content": "t1t3",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "t1", "signature": sealed("s1"), "index": 0},
                {"type": "reasoning.encrypted", "data": sealed("s2"), "index": 1},
                {"type": "reasoning.encrypted", "data": "tgs1_unsigned", "index": 2}
            ],
            "tool_calls": [
                {"id": "call_0a_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": signed, "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "call_0a_2", "type": "custom", "custom": {"name": "f", "input": "free"}}
            ]
        })
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
}

#[test]
fn callers_of_functions_get_a_function_call() {
    let terms = Terms { echo: &Chat.echo(value(r#"{"functions":[]}"#)), ..TERMS };
    let content = vec![Block::ToolCall(call("{}")), Block::ToolCall(call("{}"))];
    let found = written(&one(content, Finish::ToolCalls), None, &terms);
    let choice = &found["choices"][0];
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!((choice["message"].get("tool_calls"), &choice["finish_reason"]), (None, &json!("function_call")));
    assert_eq!(Chat.echo(value(r#"{"functions":[],"tools":[]}"#)), b"");
}

#[test]
fn every_end_has_its_word() {
    for (finish, word) in [
        (Finish::Stop, "stop"),
        (Finish::StopSequence, "stop"),
        (Finish::Pause, "stop"),
        (Finish::ToolCalls, "stop"),
        (Finish::Length, "length"),
        (Finish::ContextWindow, "length"),
        (Finish::ContentFilter, "content_filter"),
    ] {
        assert_eq!(written(&one(Vec::new(), finish), None, &TERMS)["choices"][0]["finish_reason"], word);
    }
}

#[test]
fn a_refused_prompt_is_an_answer_that_says_so() {
    let answer = Answer { blocked: Some(Text::from("SAFETY")), ..Answer::default() };
    let found = written(&answer, None, &TERMS);
    let choice = &found["choices"][0];
    assert_eq!(choice["message"]["content"], Json::Null);
    assert_eq!(choice["message"]["refusal"], "The provider refused the prompt: SAFETY");
    assert_eq!(choice["finish_reason"], "content_filter");
    let refused = one(vec![Block::Refusal(Text::from("no"))], Finish::Stop);
    let choice = written(&refused, None, &TERMS)["choices"][0].clone();
    assert_eq!((&choice["message"]["refusal"], &choice["finish_reason"]), (&json!("no"), &json!("stop")));
    assert_eq!(written(&Answer::default(), None, &TERMS)["choices"][0]["message"]["content"], "");
}
