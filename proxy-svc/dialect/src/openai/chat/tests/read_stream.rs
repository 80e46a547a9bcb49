use super::*;

/// What the reader makes of a stream, in short: `+kind` begins a block, `-` ends it, the rest are its pieces.
pub(super) fn events(stream: &str) -> Vec<String> {
    use crate::canonical::{BlockStart, Delta, Event};
    use crate::translate::{Codec, Frame};

    let mut found = Vec::new();
    let mut sink = |event: Event<'_>| {
        found.push(match event {
            Event::Start { id, model } => {
                let shown = |text: Option<crate::canonical::Text<'_>>| {
                    text.map_or_else(String::new, |text| text.decode().into_owned())
                };
                format!("start {} {}", shown(id), shown(model))
            }
            Event::BlockStart { choice, block: BlockStart::ToolCall { id, name, is_custom, .. } } => {
                let id = id.map_or_else(String::new, |id| id.decode().into_owned());
                format!("{choice} +call {id} {}{}", name.decode(), if is_custom { " custom" } else { "" })
            }
            Event::BlockStart { choice, block } => format!("{choice} +{block:?}").to_lowercase(),
            Event::Delta { choice, delta } => match delta {
                Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Arguments(text) => {
                    format!("{choice} {}", text.decode())
                }
                Delta::WholeArguments(value) => format!("{choice} whole {}", value.raw()),
                Delta::Signature(_) => unreachable!(),
            },
            Event::BlockEnd { choice } => format!("{choice} -"),
            Event::LogProbabilities { choice, json } => format!("{choice} logprobs {json}"),
            Event::Finish { choice, finish, .. } => format!("{choice} finish {finish:?}"),
            Event::Blocked(_) => unreachable!(),
            Event::Error(error) => format!("error {} {}", error.kind.unwrap_or_default(), error.message),
        });
    };
    let mut reader = super::super::Chat.stream_reader();
    for event in stream.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").unwrap_or(event);
        reader.read(&Frame { raw: event.as_bytes(), name: b"", data: data.as_bytes().into() }, &mut sink);
    }
    reader.finish(&mut sink);
    found
}

/// The events of one choice's deltas.
fn deltas(deltas: &[&str]) -> Vec<String> {
    let chunks: Vec<String> =
        deltas.iter().map(|delta| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).collect();
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    events(&sse(&chunks))[1..].to_vec()
}

#[test]
fn deltas_become_blocks_one_after_the_other() {
    let found = deltas(&[
        r#"{"role":"assistant","content":""}"#,
        r#"{"reasoning_content":"t1"}"#,
        r#"{"content":null,"reasoning_content":"t2","reasoning":"t2"}"#,
        r#"{"role":"assistant","content":"a"}"#,
        "{}",
        r#"{"content":""}"#,
        r#"{"content":"b"}"#,
        r#"{"refusal":"no"}"#,
    ]);
    let expected = [
        "0 +reasoning",
        "0 t1",
        "0 t2",
        "0 -",
        "0 +text",
        "0 a",
        "0 b",
        "0 -",
        "0 +refusal",
        "0 no",
        "0 -",
        "0 finish Stop",
    ];
    assert_eq!(found, expected);
}

#[test]
fn thoughts_are_read_in_every_form() {
    for delta in [
        r#"{"reasoning":"t"}"#,
        r#"{"reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"t"},{"type":"reasoning.encrypted","data":"x"}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}"#,
    ] {
        assert_eq!(deltas(&[delta]), ["0 +reasoning", "0 t", "0 -", "0 finish Stop"], "{delta}");
    }
}

#[test]
fn choices_are_told_apart() {
    let found = events(&sse(&[
        r#"{"id":"x","model":"m","choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"c"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"ignored"},"finish_reason":"stop"}]}"#,
    ]));
    let expected =
        ["start x m", "1 +text", "1 b", "0 +text", "0 a", "1 c", "1 -", "1 finish Length", "0 -", "0 finish Stop"];
    assert_eq!(found, expected);
}

#[test]
fn chunks_without_choices_are_no_start() {
    let found = events(&sse(&[
        r#"{"choices":[],"id":"","model":"","prompt_filter_results":[]}"#,
        r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"id":"x","model":"m","usage":null}"#,
        r#"{"choices":[{"index":0,"content_filter_offsets":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        "[DONE]",
    ]));
    assert_eq!(found, ["start x m", "0 +text", "0 a", "0 -", "0 finish Stop"]);
    assert_eq!(events("data: [DONE]\n\n"), ["start  ", "0 finish Stop"]);
}

#[test]
fn log_probabilities_are_passed_on() {
    let found = events(&sse(&[
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"b"},"logprobs":{"content":[]}}]}"#,
    ]));
    let expected =
        ["start  ", "0 +text", "0 a", r#"0 logprobs {"content":[{"token":"a"}]}"#, "0 b", "0 -", "0 finish Stop"];
    assert_eq!(found, expected);
}

#[test]
fn a_whole_message_is_read_where_no_delta_is() {
    let whole = r#"{"id":"x","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(events(&sse(&[whole]))[1..], ["0 +text", "0 a", "0 -", "0 finish Stop"]);
    let repeated = r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"a"}}]}"#;
    let last = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(events(&sse(&[repeated, last]))[1..], ["0 +text", "0 a", "0 -", "0 finish Stop"]);
}

#[test]
fn errors_in_the_stream_are_errors() {
    let begun = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    for (chunk, expected) in [
        (r#"{"error":{"message":"busy","type":"server_error","code":503}}"#, "error server_error busy"),
        (r#"{"choices":[],"error":{"message":"busy","type":"server_error"}}"#, "error server_error busy"),
        (r#"{"object":"error","message":"busy","type":"BadRequest"}"#, "error BadRequest busy"),
        ("{\"choices\":", "error malformed_answer an event of the stream is not JSON"),
        ("3", "error malformed_answer an event of the stream is not an object"),
        (
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
            "error error the provider broke off its answer",
        ),
        (
            r#"{"choices":[{"index":99999999,"delta":{"content":"x"}}]}"#,
            "error malformed_answer the stream has too many choices",
        ),
    ] {
        let found = events(&sse(&[begun, chunk, begun]));
        assert_eq!(found[1..], ["0 +text", "0 a", expected], "{chunk}");
    }
    let (out, is_complete, error) = through(&sse(&[begun, r#"{"error":"plain"}"#]), &TERMS);
    assert!(!is_complete && !out.contains("DONE"));
    assert_eq!(error.as_deref(), Some("plain"));
}
