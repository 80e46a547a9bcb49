use serde_json::json;

use super::*;
use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text};
use crate::translate::{Codec, seal_text};
use crate::usage::Usage;

use super::super::Chat;

fn stream(events: &[Event<'_>], usage: Option<&Usage>, terms: &Terms<'_>) -> String {
    let mut writer = Chat.stream_writer(terms);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, usage, terms.seal, &mut out);
    }
    writer.finish(usage, &mut out);
    String::from_utf8(out).unwrap()
}

fn start(block: BlockStart<'_>) -> Event<'_> {
    Event::BlockStart { choice: 0, block }
}

fn call<'a>(id: Option<&'a str>, signature: Option<Signature<'a>>) -> Event<'a> {
    start(BlockStart::ToolCall { id: id.map(Text::from), name: Text::from("f"), is_custom: false, signature })
}

const fn delta(delta: Delta<'_>) -> Event<'_> {
    Event::Delta { choice: 0, delta }
}

const END: Event<'static> = Event::BlockEnd { choice: 0 };

const fn finish(finish: Finish) -> Event<'static> {
    Event::Finish { choice: 0, finish, stop_sequence: None }
}

fn signed(value: &'static str) -> Signature<'static> {
    Signature { origin: Protocol::Anthropic, value: Text::from(value) }
}

/// The deltas and the words at the end.
fn deltas(stream: &str) -> Vec<Json> {
    let choices = chunks(stream).into_iter().filter_map(|chunk| chunk["choices"].get(0).cloned());
    choices
        .map(
            |choice| {
                if choice["finish_reason"].is_null() {
                    choice["delta"].clone()
                } else {
                    choice["finish_reason"].clone()
                }
            },
        )
        .collect()
}

#[test]
fn a_stream_has_what_the_sdks_need() {
    let events = [
        Event::Start { id: None, model: Some(Text::from("real")) },
        start(BlockStart::Text),
        delta(Delta::Text(Text::Escaped("a\\n"))),
        delta(Delta::Text(Text::EMPTY)),
        END,
        finish(Finish::Stop),
    ];
    let usage = Usage { input_uncached: 1, output: 2, ..Usage::default() };
    let head = r#"data: {"id":"chatcmpl-0a","object":"chat.completion.chunk","created":1700000000,"model":"real","#;
    let chunk = |delta: &str, finish: &str| {
        format!(
            r#"{head}"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}],"usage":null}}"#
        ) + "\n\n"
    };
    let with_usage = chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null")
        + &chunk(r#"{"content":"a\n"}"#, "null")
        + &chunk("{}", r#""stop""#)
        + &format!(
            "{head}{}\n\ndata: [DONE]\n\n",
            concat!(
                r#""choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"#,
                r#""prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0},"#,
                r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"#,
                r#""accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"#
            )
        );
    assert_eq!(stream(&events, Some(&usage), &TERMS), with_usage);
    let without = stream(&events, Some(&usage), &Terms { include_usage: false, ..TERMS });
    assert!(!without.contains("usage"));
    assert_eq!(chunks(&without).len(), 3);
    assert!(without.ends_with("data: [DONE]\n\n"));
}

#[test]
fn calls_are_counted_by_themselves() {
    let gemini = Signature { origin: Protocol::Gemini, value: Text::from("g") };
    let events = [
        start(BlockStart::Text),
        delta(Delta::Text(Text::from("a"))),
        END,
        call(Some("c"), None),
        delta(Delta::Arguments(Text::Escaped(r#"{\"x\""#))),
        delta(Delta::Arguments(Text::Escaped(":1}"))),
        END,
        call(None, Some(gemini.clone())),
        delta(Delta::WholeArguments(value(r#"{"y": 2}"#))),
        END,
        call(None, None),
        END,
        finish(Finish::Stop),
    ];
    let signed = format!("call_0a_1-{}", seal_text(&Reversed, &gemini));
    let begin = |index: u32, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let more = |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let expected = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"content": "a"}),
        begin(0, "c"),
        more(0, "{\"x\""),
        more(0, ":1}"),
        begin(1, &signed),
        more(1, "{\"y\": 2}"),
        begin(2, "call_0a_2"),
        more(2, "{}"),
        json!("tool_calls"),
    ];
    assert_eq!(deltas(&stream(&events, None, &TERMS)), expected);
}

#[test]
fn signed_thoughts_come_whole_before_the_end() {
    let events = [
        start(BlockStart::Reasoning),
        delta(Delta::Reasoning(Text::Escaped("t\\n"))),
        delta(Delta::Reasoning(Text::from("\"u"))),
        delta(Delta::Signature(signed("s1"))),
        END,
        start(BlockStart::Reasoning),
        delta(Delta::Signature(signed("s2"))),
        END,
        start(BlockStart::Reasoning),
        delta(Delta::Reasoning(Text::from("unsigned"))),
        END,
        start(BlockStart::Text),
        delta(Delta::Text(Text::from("a"))),
        END,
        finish(Finish::Stop),
    ];
    let sealed = |value: &'static str| seal_text(&Reversed, &signed(value));
    let expected = [
        json!({"role": "assistant", "content": null, "refusal": null}),
        json!({"reasoning_content": "t\n"}),
        json!({"reasoning_content": "\"u"}),
        json!({"reasoning_content": "unsigned"}),
        json!({"content": "a"}),
        json!({"reasoning_details": [
            {"type": "reasoning.text", "text": "t\n\"u", "signature": sealed("s1"), "index": 0},
            {"type": "reasoning.encrypted", "data": sealed("s2"), "index": 1},
            {"type": "reasoning.encrypted", "data": "tgs1_unsigned", "index": 2}
        ]}),
        json!("stop"),
    ];
    assert_eq!(deltas(&stream(&events, None, &TERMS)), expected);
}

#[test]
fn choices_appear_in_their_order() {
    let of = |choice: u32, text: &'static str| {
        [
            Event::BlockStart { choice, block: BlockStart::Text },
            Event::Delta { choice, delta: Delta::Text(Text::from(text)) },
            Event::BlockEnd { choice },
            Event::Finish { choice, finish: Finish::Length, stop_sequence: None },
        ]
    };
    let events: Vec<_> = of(1, "b").into_iter().chain(of(0, "a")).chain(of(u32::MAX, "x")).collect();
    let stream = stream(&events, None, &TERMS);
    let order: Vec<Json> = chunks(&stream).iter().map(|chunk| chunk["choices"][0]["index"].clone()).take(2).collect();
    assert_eq!(order, [0, 1]);
    assert_eq!(deltas(&stream).iter().filter(|delta| **delta == "length").count(), 2);
}

#[test]
fn refusals_and_refused_prompts_say_so() {
    let events = [start(BlockStart::Refusal), delta(Delta::Refusal(Text::from("no"))), END, finish(Finish::Stop)];
    let role = json!({"role": "assistant", "content": null, "refusal": null});
    assert_eq!(deltas(&stream(&events, None, &TERMS)), [role.clone(), json!({"refusal": "no"}), json!("stop")]);
    let expected = [role, json!({"refusal": "The provider refused the prompt: SAFETY"}), json!("content_filter")];
    assert_eq!(deltas(&stream(&[Event::Blocked(Text::from("SAFETY"))], None, &TERMS)), expected);
}

#[test]
fn an_end_that_did_not_come_is_made() {
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    assert_eq!(deltas(&stream(&[], None, &TERMS)), [role, json!("stop")]);
}

#[test]
fn callers_of_functions_get_one_function_call() {
    let terms = Terms { echo: &Chat.echo(value(r#"{"functions":[]}"#)), ..TERMS };
    let whole = || delta(Delta::WholeArguments(value("{}")));
    let events = [call(Some("a"), None), whole(), END, call(Some("b"), None), whole(), END, finish(Finish::ToolCalls)];
    let expected = [
        json!({"role": "assistant", "content": null, "refusal": null}),
        json!({"function_call": {"name": "f", "arguments": ""}}),
        json!({"function_call": {"arguments": "{}"}}),
        json!("function_call"),
    ];
    assert_eq!(deltas(&stream(&events, None, &terms)), expected);
}

#[test]
fn custom_tools_get_their_text() {
    let block =
        BlockStart::ToolCall { id: Some(Text::from("c")), name: Text::from("g"), is_custom: true, signature: None };
    let events = [start(block), delta(Delta::Arguments(Text::from("free"))), END, finish(Finish::ToolCalls)];
    let found = deltas(&stream(&events, None, &TERMS));
    let begin =
        json!({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "g", "input": ""}}]});
    let more = json!({"tool_calls": [{"index": 0, "custom": {"input": "free"}}]});
    assert_eq!(found[1..3], [begin, more]);
}

#[test]
fn streams_of_providers_pass_whole_however_they_are_cut() {
    let provider = sse(&[
        r#"{"choices":[],"prompt_filter_results":[]}"#,
        r#"{"id":"x","model":"real","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":"t"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"ä\n"},"logprobs":{"content":[{"token":"ä"}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":":\"\\u00e4\"}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#,
    ]);
    let (out, is_complete, error) = through(&provider, &TERMS);
    assert!(is_complete && error.is_none());
    let found = deltas(&out);
    assert_eq!(found[2], json!({"content": "ä\n"}));
    assert_eq!(found[5], json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]}));
    assert_eq!(found[6], json!({"tool_calls": [{"index": 0, "function": {"arguments": ":\"\\u00e4\"}"}}]}));
    let all = chunks(&out);
    assert_eq!(all[3]["choices"][0]["logprobs"]["content"][0]["token"], "ä");
    assert_eq!(all.last().unwrap()["usage"]["total_tokens"], 6);
    let (_, is_complete, _) = through(&provider[..provider.len() / 2], &TERMS);
    assert!(!is_complete);
}
