use super::*;

fn calls(pieces: &[&str]) -> Vec<String> {
    let chunks: Vec<String> =
        pieces.iter().map(|piece| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{piece}]}}}}]}}"#)).collect();
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    read_stream::events(&sse(&chunks))[1..].to_vec()
}

const BOTH: [&str; 7] =
    ["0 +call a f", "0 {\"x\":1}", "0 -", "0 +call b f", "0 {\"x\":2}", "0 -", "0 finish ToolCalls"];

#[test]
fn calls_are_read_by_their_index() {
    let found = calls(&[
        r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#,
        r#"{"index":0,"function":{"arguments":"{\"x\""}}"#,
        r#"{"index":0,"function":{"arguments":":1}"}}"#,
        r#"{"index":1,"id":"b","type":"function","function":{"name":"g"}}"#,
    ]);
    let expected = ["0 +call a f", "0 {\"x\"", "0 :1}", "0 -", "0 +call b g", "0 -", "0 finish ToolCalls"];
    assert_eq!(found, expected);
}

#[test]
fn whole_calls_are_told_apart_whatever_is_missing() {
    // Without an index, with the same index, in one chunk, and with the object itself.
    for pieces in [
        &[
            r#"{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}"#,
            r#"{"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}"#,
        ][..],
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}"#,
            r#"{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}"#,
        ],
        &[
            r#"{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}"#,
        ],
    ] {
        assert_eq!(calls(pieces), BOTH, "{pieces:?}");
    }
    let nameless_ids = calls(&[
        r#"{"function":{"name":"f","arguments":"{\"x\":1}"}}"#,
        r#"{"function":{"name":"f","arguments":{"x":2}}}"#,
    ]);
    let expected = ["0 +call  f", "0 {\"x\":1}", "0 -", "0 +call  f", "0 whole {\"x\":2}", "0 -", "0 finish ToolCalls"];
    assert_eq!(nameless_ids, expected);
}

#[test]
fn repeated_ids_and_names_are_the_same_call() {
    for second in [
        r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1}"}}"#,
        r#"{"index":0,"id":"","function":{"name":"","arguments":"1}"}}"#,
        r#"{"index":0,"id":null,"function":{"name":null,"arguments":"1}"}}"#,
        r#"{"index":0,"id":"other","function":{"arguments":"1}"}}"#,
        r#"{"id":"a","function":{"name":"f","arguments":"1}"}}"#,
        r#"{"function":{"name":"f","arguments":"1}"}}"#,
        r#"{"function":{"arguments":"1}"}}"#,
    ] {
        let found = calls(&[r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}"#, second]);
        assert_eq!(found, ["0 +call a f", "0 {\"x\":", "0 1}", "0 -", "0 finish ToolCalls"], "{second}");
    }
}

#[test]
fn an_id_may_come_before_its_name() {
    let found = calls(&[r#"{"index":0,"id":"a"}"#, r#"{"index":0,"function":{"name":"f","arguments":"{}"}}"#]);
    assert_eq!(found, ["0 +call a f", "0 {}", "0 -", "0 finish ToolCalls"]);
}

#[test]
fn custom_and_old_calls_are_read() {
    let found = calls(&[
        r#"{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":""}}"#,
        r#"{"index":0,"custom":{"input":"free"}}"#,
    ]);
    assert_eq!(found, ["0 +call a f custom", "0 free", "0 -", "0 finish ToolCalls"]);
    let found = read_stream::events(&sse(&[
        r#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":""}}}]}"#,
        r#"{"choices":[{"delta":{"function_call":{"arguments":"{}"}},"finish_reason":"function_call"}]}"#,
    ]));
    assert_eq!(found[1..], ["0 +call  f", "0 {}", "0 -", "0 finish ToolCalls"]);
}

#[test]
fn white_space_ends_no_call() {
    let found = read_stream::events(&sse(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
        r#"{"choices":[{"delta":{"content":"\n"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}]}"#,
    ]));
    assert_eq!(found[1..], ["0 +call a f", "0 {", "0 }", "0 -", "0 finish ToolCalls"]);
}

#[test]
fn pieces_of_no_call_are_errors() {
    let first = r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#;
    let second = r#"{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}"#;
    let late = calls(&[first, second, r#"{"index":0,"function":{"arguments":"}"}}"#]);
    assert_eq!(late.last().unwrap(), "error malformed_answer a piece of a tool call came after the call had ended");
    let empty = calls(&[first, second, r#"{"index":0,"function":{"arguments":""}}"#]);
    assert_eq!(empty.last().unwrap(), "0 finish ToolCalls");
    let nameless = calls(&[r#"{"index":0,"id":"a","function":{"arguments":"{}"}}"#]);
    assert_eq!(nameless, ["error malformed_answer a tool call came without a name"]);
}
