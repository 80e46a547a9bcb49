//! Providers' streams.

use super::*;
use crate::canonical::{BlockStart, Delta, Event};
use crate::openai::responses::read_stream::Reader;
use crate::translate::{Frame, StreamReader};

/// The events of a stream in short.
fn told(events: &[Json]) -> Vec<String> {
    let frames: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    told_of(&frames.iter().map(String::as_str).collect::<Vec<_>>())
}

fn told_of(frames: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    let mut reader = Reader::default();
    let mut sink = |event: Event<'_>| told.push(short(&event));
    for frame in frames {
        let data = frame.split_once("data:").map_or("", |(_, data)| data.trim());
        let name = frame.strip_prefix("event: ").and_then(|rest| rest.split('\n').next()).unwrap_or_default();
        reader.read(&Frame { raw: frame.as_bytes(), name: name.as_bytes(), data: data.as_bytes().into() }, &mut sink);
    }
    reader.finish(&mut sink);
    told
}

fn short(event: &Event<'_>) -> String {
    match event {
        Event::Start { model, .. } => {
            format!("start {}", model.as_ref().map(|model| model.decode().into_owned()).unwrap_or_default())
        }
        Event::BlockStart { block, .. } => match block {
            BlockStart::ToolCall { id, name, is_custom, .. } => format!(
                "[{} {}{}",
                name.decode(),
                id.as_ref().map(|id| id.decode().into_owned()).unwrap_or_default(),
                if *is_custom { " custom" } else { "" }
            ),
            block => format!("[{block:?}"),
        },
        Event::Delta { delta, .. } => match delta {
            Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => {
                text.decode().into_owned()
            }
            Delta::Signature(signature) => format!("signature {}", signature.value.decode()),
            Delta::WholeArguments(value) => format!("whole {}", value.raw()),
        },
        Event::BlockEnd { .. } => "]".to_owned(),
        Event::LogProbabilities { json, .. } => json.clone().into_owned(),
        Event::Finish { finish, .. } => format!("{finish:?}"),
        Event::Blocked(_) => "blocked".to_owned(),
        Event::Error(error) => format!("error {:?} {}", error.code, error.message),
    }
}

fn created() -> Json {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}})
}

fn completed() -> Json {
    json!({"type": "response.completed", "response": {"status": "completed", "output": []}})
}

fn added(place: u64, item: &Json) -> Json {
    json!({"type": "response.output_item.added", "output_index": place, "item": item})
}

fn done(place: u64, item: &Json) -> Json {
    json!({"type": "response.output_item.done", "output_index": place, "item": item})
}

fn call(id: &str, arguments: &str) -> Json {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "f", "arguments": arguments})
}

fn arguments(place: u64, delta: &str) -> Json {
    json!({"type": "response.function_call_arguments.delta", "output_index": place, "delta": delta})
}

fn text(place: u64, part: u64, delta: &str) -> Json {
    json!({"type": "response.output_text.delta", "output_index": place, "content_index": part, "delta": delta})
}

const MESSAGE: &str = r#"{"type":"message","id":"msg_1","content":[],"role":"assistant"}"#;

fn message() -> Json {
    serde_json::from_str(MESSAGE).unwrap()
}

#[test]
fn texts_thoughts_and_refusals_are_blocks() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"text": "x"}], "encrypted_content": "gAAA"});
    let summary = |part: u64, delta: &str| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": part, "delta": delta});
    let events = [
        created(),
        json!({"type": "response.in_progress", "response": {}}),
        added(0, &json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        summary(0, "a"),
        summary(0, "b"),
        summary(1, "c"),
        // The same thoughts in another form are not told again.
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "whole"}),
        done(0, &thought),
        json!({"type": "response.web_search_call.in_progress", "output_index": 1, "item_id": "ws_1"}),
        done(1, &json!({"type": "web_search_call", "id": "ws_1"})),
        added(2, &message()),
        text(2, 0, "Hi"),
        text(2, 0, ""),
        json!({"type": "response.output_text.delta", "output_index": 2, "content_index": 0, "delta": "!",
               "logprobs": [{"token": "!"}]}),
        json!({"type": "response.output_text.done", "output_index": 2, "content_index": 0, "text": "Hi!"}),
        json!({"type": "response.content_part.done", "output_index": 2, "content_index": 0,
               "part": {"type": "output_text", "text": "Hi!"}}),
        json!({"type": "response.refusal.delta", "output_index": 2, "content_index": 1, "delta": "No"}),
        json!({"type": "response.refusal.done", "output_index": 2, "content_index": 1, "refusal": "No"}),
        done(
            2,
            &json!({"type": "message", "id": "msg_1", "content": [
            {"type": "output_text", "text": "Hi!"}, {"type": "refusal", "refusal": "No"},
            {"type": "output_text", "text": "more"}]}),
        ),
        json!({"type": "keepalive"}),
        completed(),
        text(2, 0, "late"),
    ];
    let expected = [
        "start m",
        "[Reasoning",
        "a",
        "b",
        "\n\n",
        "c",
        "signature rs_1 gAAA",
        "]",
        "[Text",
        "Hi",
        "!",
        r#"{"content":[{"token":"!"}],"refusal":null}"#,
        "]",
        "[Refusal",
        "No",
        "]",
        "[Text",
        "more",
        "]",
        "Stop",
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn calls_that_come_together_are_told_one_after_the_other() {
    let events = [
        created(),
        added(0, &call("1", "")),
        arguments(0, "{"),
        added(1, &call("2", "")),
        arguments(1, "{\"b\":"),
        arguments(0, "}"),
        arguments(1, "2}"),
        done(1, &call("2", "{\"b\":2}")),
        done(0, &call("1", "{}")),
        // A second end of the same.
        done(0, &call("1", "{}")),
        done(2, &call("3", "{\"c\":3}")),
        completed(),
    ];
    let expected =
        ["start m", "[f 1", "{", "}", "]", "[f 2", "{\"b\":", "2}", "]", "[f 3", "{\"c\":3}", "]", "ToolCalls"];
    assert_eq!(told(&events), expected);
}

#[test]
fn what_was_not_streamed_is_taken_from_where_it_stands() {
    let whole = json!({"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hi"}]});
    let expected = ["start m", "[Text", "Hi", "]", "Stop"];
    assert_eq!(told(&[created(), done(0, &whole), completed()]), expected);
    let text_done = json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"});
    assert_eq!(told(&[created(), added(0, &message()), text_done.clone(), completed()]), expected);
    assert_eq!(told(&[created(), text_done, done(0, &whole), completed()]), expected);
    let in_response = json!({"type": "response.completed", "response": {"output": [whole]}});
    assert_eq!(told(&[created(), in_response.clone()]), expected);
    assert_eq!(told(&[created(), added(0, &message()), in_response]), expected);
    let with_arguments = json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{}"});
    assert_eq!(
        told(&[created(), added(0, &call("1", "")), with_arguments, completed()]),
        ["start m", "[f 1", "{}", "]", "ToolCalls"]
    );
    let object = json!({"type": "function_call", "call_id": "1", "name": "f", "arguments": {"a": 1}});
    assert_eq!(
        told(&[created(), done(0, &object), completed()]),
        ["start m", "[f 1", "whole {\"a\":1}", "]", "ToolCalls"]
    );
}

#[test]
fn events_without_their_places_belong_to_the_last_item() {
    let bare = |kind: &str, item: &Json| json!({"type": kind, "item": item});
    let events = [
        created(),
        bare("response.output_item.added", &message()),
        json!({"type": "response.output_text.delta", "delta": "Hi"}),
        bare("response.output_item.done", &message()),
        bare("response.output_item.added", &call("1", "")),
        json!({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        bare("response.output_item.done", &call("1", "{}")),
        completed(),
    ];
    assert_eq!(told(&events), ["start m", "[Text", "Hi", "]", "[f 1", "{}", "]", "ToolCalls"]);
}

#[test]
fn custom_tools_and_wrapped_calls() {
    let custom = json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "1", "name": "sql", "input": ""});
    let events = [
        created(),
        added(0, &custom),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "SELECT 1"}),
        done(0, &custom),
        completed(),
    ];
    assert_eq!(told(&events), ["start m", "[sql 1 custom", "SELECT 1", "]", "ToolCalls"]);

    let wrapped =
        |arguments: &str| json!({"type": "function_call", "call_id": "1", "name": "parallel", "arguments": arguments});
    let inner = r#"{"tool_uses":[{"recipient_name":"functions.a","parameters":{"x":1}}]}"#;
    let expected = ["start m", "[a 1_0", "{\"x\":1}", "]", "ToolCalls"];
    let begun = [created(), added(0, &wrapped("")), arguments(0, inner)];
    assert_eq!(told(&[&begun[..], &[done(0, &wrapped(inner)), completed()]].concat()), expected);
    assert_eq!(told(&[&begun[..], &[completed()]].concat()), expected);
    let own = [created(), added(0, &wrapped("")), arguments(0, "{}"), completed()];
    assert_eq!(told(&own), ["start m", "[parallel 1", "{}", "]", "ToolCalls"]);
}

#[test]
fn an_end_says_why() {
    let incomplete = |reason: &str| {
        json!({"type": "response.incomplete",
               "response": {"status": "incomplete", "incomplete_details": {"reason": reason}}})
    };
    assert_eq!(told(&[created(), incomplete("content_filter")]), ["start m", "ContentFilter"]);
    let cut = [created(), added(0, &call("1", "")), arguments(0, "{"), incomplete("max_output_tokens")];
    assert_eq!(told(&cut), ["start m", "[f 1", "{", "]", "Length"]);
    let bare = json!({"type": "response.incomplete", "response": {}});
    assert_eq!(told(&[created(), bare]), ["start m", "Length"]);
    // Without an end, what is open is closed.
    assert_eq!(told(&[created(), text(0, 0, "Hi")]), ["start m", "[Text", "Hi", "]"]);
}

#[test]
fn errors_in_all_their_shapes() {
    let error = json!({"code": "server_error", "message": "down"});
    for event in [
        json!({"type": "error", "error": error, "sequence_number": 2}),
        json!({"type": "error", "code": "server_error", "message": "down", "param": null}),
        json!({"type": "response.failed", "response": {"status": "failed", "error": error}}),
        json!({"error": error}),
    ] {
        let told = told(&[created(), text(0, 0, "Hi"), event.clone(), completed()]);
        assert_eq!(told.last().unwrap(), "error Some(\"server_error\") down", "{event}");
    }
    assert!(told_of(&["data: nonsense\n\n"])[0].starts_with("error None"));
    assert!(told_of(&["data: {\"choices\":[]}\n\n"])[0].starts_with("error None"));
    assert!(told(&[json!({"type": "response.failed", "response": {}})])[1].starts_with("error None"));
    assert!(told_of(&["data: [DONE]\n\n"]).is_empty());
}

#[test]
fn broken_announcements_do_no_harm() {
    let text = text(0, 0, "Hi").to_string();
    let whole = [
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\n\n".to_owned(),
        format!("event: response.output_text.delta\ndata: {text}\n\n"),
        "data: {\"type\":\"response.completed\",\"response\":{\n\n".to_owned(),
    ];
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    assert_eq!(told_of(&whole), ["start ", "[Text", "Hi", "]", "Stop"]);
    // But one that was cut off is no end.
    let cut = told_of(&["data: {\"type\":\"response.completed\",\"response\":{"]);
    assert!(cut[0].starts_with("error"), "{cut:?}");
    let delta = told_of(&["data: {\"type\":\"response.output_text.delta\",\"delta\n\n"]);
    assert!(delta[0].starts_with("error"), "{delta:?}");
}
