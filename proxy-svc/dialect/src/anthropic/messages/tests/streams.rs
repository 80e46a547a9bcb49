//! Streams in both directions.

use std::fmt::Write as _;

use super::*;
use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text};
use crate::translate::{Frame, Names, StreamTranslator, open_text};

/// An event of an upstream as a line of the test.
fn event(out: &mut String, data: &Json) {
    let name = data["type"].as_str().unwrap_or_default();
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
}

fn stream(events: &[Json]) -> String {
    let mut out = String::new();
    for data in events {
        event(&mut out, data);
    }
    out
}

/// What a reader makes of events, each in a word or two.
fn read(events: &[Json]) -> Vec<String> {
    let mut reader = Messages.stream_reader();
    let mut found = Vec::new();
    for data in events {
        let data = data.to_string();
        let frame = Frame { raw: b"", name: b"", data: data.as_bytes().into() };
        reader.read(&frame, &mut |event| found.push(told(&event)));
    }
    reader.finish(&mut |event| found.push(told(&event)));
    found
}

fn told(event: &Event<'_>) -> String {
    match event {
        Event::Start { id, .. } => format!("start {}", id.as_ref().map(Text::decode).unwrap_or_default()),
        Event::BlockStart { block: BlockStart::ToolCall { id, name, .. }, .. } => {
            format!("call {} {}", id.as_ref().unwrap().decode(), name.decode())
        }
        Event::BlockStart { block, .. } => format!("{block:?}").to_lowercase(),
        Event::Delta { delta, .. } => match delta {
            Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => {
                format!("+{}", text.decode())
            }
            Delta::Signature(signature) => format!("signed {}", signature.value.decode()),
            Delta::WholeArguments(value) => format!("whole {}", value.raw()),
        },
        Event::BlockEnd { .. } => "end".to_owned(),
        Event::Finish { finish, stop_sequence, .. } => {
            format!("finish {finish:?} {}", stop_sequence.as_ref().map(Text::decode).unwrap_or_default())
        }
        Event::Error(error) => format!("error {} {}", error.kind.as_deref().unwrap_or_default(), error.message),
        other => format!("{other:?}"),
    }
}

fn begin() -> Json {
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "content": [],
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}}})
}

fn start(index: u64, block: &Json) -> Json {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: &Json) -> Json {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn said(index: u64, text: &str) -> Json {
    delta(index, &json!({"type": "text_delta", "text": text}))
}

fn stop(index: u64) -> Json {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Json; 2] {
    let usage = json!({"input_tokens": 9, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 4}});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": usage});
    [end, json!({"type": "message_stop"})]
}

/// One of everything.
fn whole() -> Vec<Json> {
    let mut events = vec![
        begin(),
        start(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, &json!({"type": "thinking_delta", "thinking": "hm ✓"})),
        delta(0, &json!({"type": "signature_delta", "signature": "S/=="})),
        stop(0),
        start(1, &json!({"type": "redacted_thinking", "data": "D=="})),
        stop(1),
        start(2, &json!({"type": "text", "text": ""})),
        said(2, "Hello \"you\"\n"),
        delta(2, &json!({"type": "citations_delta", "citation": {}})),
        said(2, ""),
        said(2, "!"),
        stop(2),
        start(3, &json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(3, &json!({"type": "input_json_delta", "partial_json": "{\"q\":1}"})),
        stop(3),
        start(4, &json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []})),
        stop(4),
        start(5, &json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        delta(5, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(5, &json!({"type": "input_json_delta", "partial_json": "{\"a\""})),
        delta(5, &json!({"type": "input_json_delta", "partial_json": ": 1}"})),
        stop(5),
        start(6, &json!({"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}})),
        stop(6),
    ];
    events.extend(end("tool_use"));
    events
}

#[test]
fn a_call_of_no_tool_is_an_error() {
    let nameless = start(0, &json!({"type": "tool_use", "id": "toolu_1", "name": "", "input": {}}));
    let found = read(&[begin(), nameless]);
    assert_eq!(found[1], "error malformed_answer a tool call came without a name");
}

#[test]
fn a_whole_stream_is_read_block_by_block() {
    let expected = [
        "start msg_1",
        "reasoning",
        "+hm ✓",
        "signed S/==",
        "end",
        "reasoning",
        "signed redacted:D==",
        "end",
        "text",
        "+Hello \"you\"\n",
        "+!",
        "end",
        "call toolu_1 f",
        "+{\"a\"",
        "+: 1}",
        "end",
        "call toolu_2 g",
        "whole {}",
        "end",
        "finish ToolCalls ",
    ];
    assert_eq!(read(&whole()), expected);
}

#[test]
fn streams_that_others_garble_are_read_all_the_same() {
    // The message begins twice, and blocks have no ends.
    let events = [
        begin(),
        begin(),
        start(0, &json!({"type": "text", "text": "a"})),
        said(0, "b"),
        start(1, &json!({"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}})),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(
        read(&events),
        ["start msg_1", "text", "+a", "+b", "end", "call t f", "whole {\"x\":1}", "end", "finish ToolCalls "]
    );
    // No beginning of anything, and a thought in a block of text.
    let thinks = |index| delta(index, &json!({"type": "thinking_delta", "thinking": "t"}));
    let events = [
        said(0, "a"),
        thinks(0),
        said(0, "b"),
        stop(0),
        delta(1, &json!({"type": "input_json_delta", "partial_json": "{}"})),
    ];
    assert_eq!(
        read(&events),
        ["start ", "text", "+a", "end", "reasoning", "+t", "end", "text", "+b", "end", "finish Stop "]
    );
    // Nothing behind the end counts, and ends of other blocks do not.
    let [end, last] = end("max_tokens");
    let events = [begin(), said(0, "a"), stop(7), said(0, "b"), end.clone(), end, said(1, "late"), last];
    assert_eq!(read(&events), ["start msg_1", "text", "+a", "+b", "end", "finish Length "]);
    // Blocks without numbers, and a null for a reason.
    let events = [
        begin(),
        json!({"type": "content_block_start", "content_block": {"type": "text"}}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": null}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "X"}}),
    ];
    assert_eq!(read(&events), ["start msg_1", "text", "+a", "end", "finish StopSequence X"]);
}

#[test]
fn refusals_and_errors_are_told() {
    let details = json!({"type": "refusal", "category": null, "explanation": "No."});
    let refusal = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}});
    assert_eq!(
        read(&[begin(), said(0, "a"), refusal]),
        ["start msg_1", "text", "+a", "end", "refusal", "+No.", "end", "finish ContentFilter "]
    );
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert_eq!(read(&[error])[0], "error overloaded_error Overloaded");
    assert_eq!(read(&[json!({"error": {"message": "m"}})])[0], "error  m");
    assert_eq!(read(&[json!({"id": "chatcmpl"})])[0], "error malformed_answer an event of the stream has no type");
    assert_eq!(read(&[json!([1])])[0], "error malformed_answer an event of the stream is no JSON object");
    assert_eq!(
        read(&[json!({"type": "new_event", "x": 1}), json!({"type": "message_stop"})]),
        ["start ", "finish Stop "]
    );
}

#[test]
fn the_name_of_an_event_stands_in_for_its_type() {
    let mut found = Vec::new();
    let frame = Frame { raw: b"", name: b"message_stop", data: b"{}".as_slice().into() };
    let mut reader = Messages.stream_reader();
    reader.read(&frame, &mut |event| found.push(told(&event)));
    reader
        .read(&Frame { raw: b"", name: b"", data: b"[DONE]".as_slice().into() }, &mut |event| found.push(told(&event)));
    assert_eq!(found, ["start ", "finish Stop "]);
}

/// A stream translated in pieces; whether it came to its end.
fn translated(pieces: &[&[u8]]) -> (String, bool) {
    let mut translator = StreamTranslator::new(Format::Messages, Format::Messages, &TERMS, Names::default());
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece, &Reversed, &mut out);
    }
    let is_complete = translator.finish(&Reversed, &mut out);
    (String::from_utf8(out).unwrap(), is_complete)
}

/// The events of a caller's stream, whose names must be their types.
fn events(stream: &str) -> Vec<Json> {
    let events = stream.split_terminator("\n\n").map(|event| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Json = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        data
    });
    events.collect()
}

#[test]
fn a_stream_comes_through_however_it_is_cut() {
    let stream = stream(&whole());
    let (expected, is_complete) = translated(&[stream.as_bytes()]);
    assert!(is_complete);
    for cut in 0..stream.len() {
        let (first, second) = stream.as_bytes().split_at(cut);
        assert_eq!(translated(&[first, second]), (expected.clone(), true), "cut at {cut}");
    }
    let kinds: Vec<String> =
        events(&expected).iter().map(|data| format!("{} {}", data["type"].as_str().unwrap(), data["index"])).collect();
    let block = |index: u64, deltas: usize| {
        let mut kinds = vec![format!("content_block_start {index}")];
        kinds.extend(std::iter::repeat_n(format!("content_block_delta {index}"), deltas));
        kinds.push(format!("content_block_stop {index}"));
        kinds
    };
    let blocks = [block(0, 2), block(1, 0), block(2, 2), block(3, 3), block(4, 2)].concat();
    let begin = vec!["message_start null".to_owned()];
    let end = vec!["message_delta null".to_owned(), "message_stop null".to_owned()];
    assert_eq!(kinds, [begin, blocks, end].concat());
}

#[test]
fn what_a_caller_is_sent_says_what_the_upstream_said() {
    let (out, _) = translated(&[stream(&whole()).as_bytes()]);
    let found = events(&out);
    let message = &found[0]["message"];
    assert_eq!(
        (&message["id"], &message["model"], &message["content"]),
        (&json!("msg_0190ab"), &json!("claude-x"), &json!([]))
    );
    assert_eq!(
        (&message["usage"]["input_tokens"], &message["usage"]["cache_read_input_tokens"]),
        (&json!(7), &json!(3))
    );
    let blocks: Vec<&Json> =
        found.iter().filter(|data| data["type"] == "content_block_start").map(|data| &data["content_block"]).collect();
    let expected = [
        json!({"type": "thinking", "thinking": "", "signature": ""}),
        json!({"type": "redacted_thinking", "data": "D=="}),
        json!({"type": "text", "text": ""}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}),
    ];
    assert_eq!(blocks, expected.iter().collect::<Vec<_>>());
    let deltas: Vec<Json> =
        found.iter().filter(|data| data["type"] == "content_block_delta").map(|data| data["delta"].clone()).collect();
    let json_delta = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
    let expected = [
        json!({"type": "thinking_delta", "thinking": "hm ✓"}),
        json!({"type": "signature_delta", "signature": "S/=="}),
        json!({"type": "text_delta", "text": "Hello \"you\"\n"}),
        json!({"type": "text_delta", "text": "!"}),
        json_delta(""),
        json_delta("{\"a\""),
        json_delta(": 1}"),
        json_delta(""),
        json_delta("{}"),
    ];
    assert_eq!(deltas, expected);
    let end = &found[found.len() - 2];
    assert_eq!(end["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null, "stop_details": null}));
    assert_eq!(
        end["usage"],
        json!({"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3, "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 4}, "server_tool_use": null})
    );
}

#[test]
fn a_cut_stream_has_no_end() {
    let mut half = whole();
    half.truncate(half.len() - 2);
    let (out, is_complete) = translated(&[stream(&half).as_bytes()]);
    assert!(!is_complete && !out.contains("message_stop") && !out.contains("message_delta"));
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}});
    let (out, is_complete) = translated(&[stream(&[begin(), said(0, "a"), error, said(0, "b")]).as_bytes()]);
    assert!(!is_complete && out.contains("\"text\":\"a\"") && !out.contains("\"text\":\"b\""));
}

/// What a writer makes of events that no upstream of this protocol gives.
fn write(given: &[Event<'_>], usage: Option<&Usage>) -> Vec<Json> {
    let mut writer = Messages.stream_writer(&TERMS);
    let mut out = Vec::new();
    for event in given {
        writer.write(event, None, &Reversed, &mut out);
    }
    writer.finish(usage, &mut out);
    events(std::str::from_utf8(&out).unwrap())
}

fn block(block: BlockStart<'static>) -> Event<'static> {
    Event::BlockStart { choice: 0, block }
}

fn more(delta: Delta<'static>) -> Event<'static> {
    Event::Delta { choice: 0, delta }
}

const END: Event<'static> = Event::BlockEnd { choice: 0 };

#[test]
fn thoughts_of_others_end_with_a_sealed_proof() {
    let theirs = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let own = Signature { origin: Protocol::Anthropic, value: Text::from("S==") };
    let given = [
        block(BlockStart::Reasoning),
        more(Delta::Signature(theirs.clone())),
        more(Delta::Reasoning(Text::from("hm"))),
        END,
        block(BlockStart::Reasoning),
        more(Delta::Signature(theirs.clone())),
        END,
        block(BlockStart::Reasoning),
        more(Delta::Signature(own)),
        END,
        block(BlockStart::Reasoning),
        END,
        block(BlockStart::Text),
        more(Delta::Text(Text::EMPTY)),
        END,
    ];
    let found = write(&given, None);
    let kinds: Vec<String> = found
        .iter()
        .map(|data| {
            format!(
                "{}{}",
                data["content_block"]["type"].as_str().unwrap_or_default(),
                data["delta"]["type"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let expected = [
        "",
        "thinking",
        "thinking_delta",
        "signature_delta",
        "",
        "redacted_thinking",
        "",
        "thinking",
        "signature_delta",
        "",
        "",
        "",
    ];
    assert_eq!(kinds, expected);
    let opened = |value: &Json| open_text(&Reversed, value.as_str().unwrap());
    assert_eq!(opened(&found[3]["delta"]["signature"]), Some(theirs.clone()));
    assert_eq!(opened(&found[5]["content_block"]["data"]), Some(theirs));
    assert_eq!(found[8]["delta"]["signature"], "S==");
}

#[test]
fn the_end_tells_the_usage_that_came_last() {
    let usage = Usage { input_uncached: 5, cache_read: 2, output: 3, ..Usage::default() };
    let finish = Event::Finish { choice: 0, finish: Finish::StopSequence, stop_sequence: Some(Text::from("END")) };
    let given = [
        Event::Start { id: None, model: None },
        block(BlockStart::Text),
        more(Delta::Text(Text::Escaped(r"a\n"))),
        finish,
        // Others' answers are not this caller's.
        Event::BlockStart { choice: 1, block: BlockStart::Text },
        Event::Delta { choice: 1, delta: Delta::Text(Text::from("x")) },
    ];
    let found = write(&given, Some(&usage));
    assert_eq!(
        (&found[0]["message"]["model"], &found[0]["message"]["usage"]["input_tokens"]),
        (&json!("asked-for"), &json!(0))
    );
    assert_eq!(found[2]["delta"]["text"], "a\n");
    assert_eq!(found[4]["delta"]["stop_sequence"], "END");
    assert_eq!((&found[4]["usage"]["input_tokens"], &found[4]["usage"]["output_tokens"]), (&json!(5), &json!(3)));
    assert_eq!(found.len(), 6);
}

#[test]
fn calls_get_ids_and_their_arguments_in_one_piece_or_many() {
    let call = |signature| block(BlockStart::ToolCall { id: None, name: Text::from("f"), is_custom: false, signature });
    let gemini = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let given = [
        call(Some(gemini)),
        more(Delta::WholeArguments(Value::parse(b"{\n\"a\": 1}").unwrap())),
        END,
        call(None),
        more(Delta::WholeArguments(Value::NULL)),
        END,
        Event::Finish { choice: 0, finish: Finish::Stop, stop_sequence: None },
    ];
    let found = write(&given, None);
    assert!(found[1]["content_block"]["id"].as_str().unwrap().starts_with("call_0190ab_0-tgs1_"));
    assert_eq!(found[3]["delta"]["partial_json"], "{\n\"a\": 1}");
    assert_eq!(found[5]["content_block"]["id"], "call_0190ab_1");
    assert_eq!(found[6]["delta"]["partial_json"], "");
    assert_eq!(found[8]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn refusals_and_blocked_prompts_end_a_stream_as_such() {
    let given = [
        block(BlockStart::Refusal),
        more(Delta::Refusal(Text::from("I "))),
        more(Delta::Refusal(Text::from("won't"))),
        END,
        Event::Finish { choice: 0, finish: Finish::Stop, stop_sequence: None },
    ];
    let found = write(&given, None);
    assert_eq!(found[5]["delta"]["stop_reason"], "refusal");
    assert_eq!(found[5]["delta"]["stop_details"]["explanation"], "I won't");
    let found = write(&[Event::Blocked(Text::from("SAFETY"))], None);
    assert_eq!(found[2]["delta"]["text"], "The provider refused the prompt: SAFETY");
    assert_eq!(found[4]["delta"]["stop_reason"], "refusal");
    assert_eq!(found.len(), 6);
}
