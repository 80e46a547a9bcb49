//! Streams to callers.

use super::*;
use crate::Protocol;
use crate::canonical::{BlockStart, Delta, Event, Finish, Signature, Text, Value};
use crate::endpoint::Operation;
use crate::error::{ErrorBody, ErrorKind, Framing, stream_event};
use crate::openai::responses::write_stream::Writer;
use crate::translate::{StreamTranslator, StreamWriter, seal_text};
use crate::usage::Usage;

const USAGE: Usage = Usage {
    input_uncached: 5,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 7,
    reasoning: 2,
    input_audio: 0,
    output_audio: 0,
    input_image: 0,
};

fn stream(events: &[Event<'_>]) -> Vec<Json> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&terms());
    for event in events {
        writer.write(event, None, &Open, &mut out);
    }
    writer.finish(Some(&USAGE), &mut out);
    events_of(&out)
}

/// The events' data; each has its name above it and its number in it.
fn events_of(stream: &[u8]) -> Vec<Json> {
    let stream = std::str::from_utf8(stream).unwrap();
    assert!(stream.ends_with("\n\n"));
    let events: Vec<Json> = stream
        .trim_end()
        .split("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Json = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index, "{event}");
    }
    events
}

fn kinds(events: &[Json]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

fn start() -> Event<'static> {
    Event::Start { id: Some(Text::from("x")), model: Some(Text::from("claude")) }
}

fn begin(block: BlockStart<'_>) -> Event<'_> {
    Event::BlockStart { choice: 0, block }
}

fn delta(delta: Delta<'_>) -> Event<'_> {
    Event::Delta { choice: 0, delta }
}

fn text(text: &'static str) -> Event<'static> {
    delta(Delta::Text(Text::Escaped(text)))
}

fn call(id: Option<&'static str>, is_custom: bool) -> Event<'static> {
    begin(BlockStart::ToolCall { id: id.map(Text::from), name: Text::from("f"), is_custom, signature: None })
}

const END: Event<'static> = Event::BlockEnd { choice: 0 };

fn finish(finish: Finish) -> Event<'static> {
    Event::Finish { choice: 0, finish, stop_sequence: None }
}

#[test]
fn a_text_is_told_and_told_again() {
    let json = r#"{"content":[{"token":"Hi"}]}"#.into();
    let events = stream(&[
        start(),
        begin(BlockStart::Text),
        text("Hi \\u00e9"),
        Event::LogProbabilities { choice: 0, json },
        text(""),
        text("\\n"),
        END,
        finish(Finish::Stop),
    ]);
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let item = "msg_0192ab_0";
    let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    let part = json!({"type": "output_text", "text": "Hi é\n", "annotations": [], "logprobs": [{"token": "Hi"}]});
    let whole = json!({"id": item, "type": "message", "status": "completed", "role": "assistant", "content": [part]});
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["model"], "claude");
    assert_eq!(
        events[2]["item"],
        json!({"id": item, "type": "message", "status": "in_progress", "role": "assistant", "content": []})
    );
    assert_eq!(events[3]["part"], empty);
    assert_eq!(events[4]["delta"], "Hi é");
    assert_eq!((&events[4]["item_id"], &events[4]["output_index"]), (&json!(item), &json!(0)));
    assert_eq!((&events[4]["content_index"], &events[4]["logprobs"]), (&json!(0), &json!([])));
    assert_eq!((&events[6]["text"], &events[6]["logprobs"]), (&json!("Hi é\n"), &json!([{"token": "Hi"}])));
    assert_eq!(events[7]["part"], part);
    assert_eq!(events[8]["item"], whole);
    let response = &events[9]["response"];
    assert_eq!((&response["output"], &response["status"]), (&json!([whole]), &json!("completed")));
    assert_eq!(response["usage"]["total_tokens"], 12);
    assert_eq!(response["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
}

#[test]
fn every_kind_of_block_has_its_events() {
    let foreign = Signature { origin: Protocol::Gemini, value: Text::from("c2ln") };
    let arguments = Value::parse(b"{\"a\":\n1}").unwrap();
    let events = stream(&[
        start(),
        begin(BlockStart::Reasoning),
        delta(Delta::Reasoning(Text::from("T"))),
        delta(Delta::Signature(foreign.clone())),
        END,
        begin(BlockStart::Text),
        text("a"),
        END,
        begin(BlockStart::Refusal),
        delta(Delta::Refusal(Text::from("No"))),
        END,
        call(Some("call_1"), false),
        delta(Delta::Arguments(Text::from("{\"a\":"))),
        delta(Delta::Arguments(Text::from("1}"))),
        END,
        call(None, false),
        END,
        call(Some("call_3"), false),
        delta(Delta::WholeArguments(arguments)),
        END,
        call(Some("call_4"), true),
        delta(Delta::Arguments(Text::from("ls"))),
        END,
        begin(BlockStart::Text),
        text("after"),
        END,
        finish(Finish::ToolCalls),
    ]);
    assert_eq!(
        kinds(&events)[2..],
        [
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "T"}]));
    assert_eq!(output[0]["encrypted_content"], seal_text(&Open, &foreign));
    assert_eq!(output[1]["content"].as_array().unwrap().len(), 2);
    assert_eq!(output[2]["arguments"], "{\"a\":1}");
    assert_eq!((&output[3]["arguments"], &output[3]["call_id"]), (&json!("{}"), &json!("call_0192ab_1")));
    assert_eq!(output[4]["arguments"], "{\"a\":\n1}");
    assert_eq!((&output[5]["type"], &output[5]["input"]), (&json!("custom_tool_call"), &json!("ls")));
    assert_eq!(output[6]["content"][0]["text"], "after");
    adds_up(&events, &output);
}

/// What the deltas come to is what the items are in the end, and every item keeps its place and its id.
fn adds_up(events: &[Json], output: &[Json]) {
    let mut begun = 0;
    for event in events {
        let Some(place) = event["output_index"].as_u64() else { continue };
        let item = &output[usize::try_from(place).unwrap()];
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!(place, begun);
                assert_eq!(event["item"]["id"], item["id"]);
                begun += 1;
            }
            "response.output_item.done" => assert_eq!(&event["item"], item),
            _ => assert_eq!(event["item_id"], item["id"]),
        }
    }
    assert_eq!(begun, output.len() as u64);
    for (place, item) in output.iter().enumerate().filter(|(_, item)| item["type"] == "function_call") {
        let of_item = events.iter().filter(|event| event["output_index"] == place);
        let deltas: String = of_item.filter_map(|event| event["delta"].as_str()).collect();
        assert_eq!(item["arguments"], deltas);
    }
}

#[test]
fn a_hidden_thought_has_no_summary() {
    let own = Signature { origin: Protocol::OpenAi, value: Text::from("rs_theirs gAAA") };
    let events = stream(&[
        start(),
        begin(BlockStart::Reasoning),
        delta(Delta::Signature(own.clone())),
        END,
        finish(Finish::Stop),
    ]);
    assert_eq!(kinds(&events)[2..], ["output_item.added", "output_item.done", "completed"]);
    // Announced under another id, its state goes sealed with its own.
    let expected = json!({"id": "rs_0192ab_0", "type": "reasoning", "summary": [],
                          "encrypted_content": seal_text(&Open, &own)});
    assert_eq!(events[3]["item"], expected);
}

#[test]
fn an_answer_that_was_cut_off_ends_as_incomplete() {
    let events = stream(&[start(), begin(BlockStart::Text), text("a"), END, finish(Finish::Length)]);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    let events = stream(&[start(), Event::Blocked(Text::from("SAFETY"))]);
    assert_eq!(kinds(&events), ["created", "in_progress", "incomplete"]);
    assert_eq!(events[2]["response"]["incomplete_details"]["reason"], "content_filter");
    assert_eq!(events[2]["response"]["output"], json!([]));
}

#[test]
fn a_stream_without_a_word_is_a_whole_one() {
    assert_eq!(kinds(&stream(&[])), ["created", "in_progress", "completed"]);
    assert_eq!(kinds(&stream(&[start(), finish(Finish::Stop)])), ["created", "in_progress", "completed"]);
}

#[test]
fn one_of_several_answers_is_told() {
    let other = |event| match event {
        Event::BlockStart { block, .. } => Event::BlockStart { choice: 1, block },
        Event::Delta { delta, .. } => Event::Delta { choice: 1, delta },
        event => event,
    };
    let events = stream(&[
        start(),
        begin(BlockStart::Text),
        other(begin(BlockStart::Text)),
        text("a"),
        other(text("b")),
        Event::BlockEnd { choice: 1 },
        END,
        finish(Finish::Stop),
    ]);
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["text"], "a");
}

/// A stream with everything that a provider sends.
fn upstream() -> Vec<u8> {
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.4", "output": []}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Th\u{e9}"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item":
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "id": "msg_1", "content": []}}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hi \u{1F600}\n"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "message", "id": "msg_1", "content": []}}),
        json!({"type": "response.output_item.added", "output_index": 2, "item":
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{\"a\":1}"}),
        json!({"type": "response.output_item.done", "output_index": 2, "item":
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"}}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": [], "usage":
            {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}}}),
    ];
    let event = |event: &Json| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect::<String>().into_bytes()
}

fn translated(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut translator = StreamTranslator::new(Format::Responses, Format::Responses, &terms(), Names::default());
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece, &Open, &mut out);
    }
    let is_whole = translator.finish(&Open, &mut out);
    (out, is_whole)
}

#[test]
fn any_cut_gives_the_same_stream() {
    let stream = upstream();
    let (expected, is_whole) = translated(&[&stream]);
    assert!(is_whole);
    let events = events_of(&expected);
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["usage"]["total_tokens"], 12);
    let kinds: Vec<_> = response["output"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    for cut in 0..stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(translated(&[first, second]).0, expected, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(translated(&bytes).0, expected);
}

#[test]
fn a_stream_that_breaks_off_has_no_end() {
    let stream = upstream();
    let last = stream.windows(25).position(|window| window == b"event: response.completed").unwrap();
    for cut in 0..stream.len() - 3 {
        let (out, is_whole) = translated(&[&stream[..cut]]);
        assert!(!is_whole, "cut at {cut}");
        assert!(cut > last || !String::from_utf8_lossy(&out).contains("response.completed"));
    }
}

#[test]
fn an_error_in_the_middle_goes_on_counting() {
    let stream = upstream();
    let error =
        ErrorBody { kind: ErrorKind::Overloaded, message: "cut", param: None, request_id: "r", retry_after_ms: None };
    let framing = Framing::of(Protocol::OpenAi, Operation::Responses, true);
    for cut in [0, stream.len() / 2, stream.len() - 3] {
        let mut translator = StreamTranslator::new(Format::Responses, Format::Responses, &terms(), Names::default());
        let mut out = Vec::new();
        translator.feed(&stream[..cut], &Open, &mut out);
        assert!(!translator.finish(&Open, &mut out));
        out.extend(stream_event(framing, &error, true, translator.events()));
        let events = events_of(&out);
        assert_eq!(events.last().unwrap()["type"], "error");
        assert_eq!(events.len() > 1, cut > 0);
    }
}
