use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::recognise;
use crate::rewrite::{Edit, Edits, replace};
use crate::stream::Forward;

/// The tag of an id is the id turned round, between two letters.
struct Reversed(Option<&'static str>);

impl Tagger for Reversed {
    fn write_tag(&self, id: &str, out: &mut Vec<u8>) -> bool {
        out.push(b'T');
        out.extend(id.bytes().rev());
        out.push(b'T');
        true
    }

    fn origin(&self) -> Option<&str> {
        self.0
    }
}

/// Has no key to make tags with.
struct Keyless;

impl Tagger for Keyless {
    fn write_tag(&self, _id: &str, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"half a tag");
        false
    }

    fn origin(&self) -> Option<&str> {
        Some("http://gateway")
    }
}

const GATEWAY: &Reversed = &Reversed(Some("http://gateway:8080"));

fn places(method: &str, path: &str, store: Option<bool>) -> Option<Places> {
    let anthropic = path.contains("message") || path.starts_with("/anthropic");
    let path = path.strip_prefix("/anthropic").unwrap_or(path);
    let endpoint = recognise(method, path, |name| anthropic && name == "anthropic-version").unwrap();
    ids(endpoint.protocol, endpoint.operation, endpoint.rest, store)
}

fn filtered<'a>(
    places: Places,
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    tagger: &dyn Tagger,
) -> String {
    let mut filter = IdFilter::new(places, framing);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(filter.filter(piece, tagger).bytes(piece));
    }
    out.extend_from_slice(&filter.finish());
    String::from_utf8(out).unwrap()
}

fn tagged_answer(method: &str, path: &str, body: &str) -> String {
    filtered(places(method, path, None).unwrap(), Framing::Object, [body.as_bytes()], GATEWAY)
}

/// `{id}` with its tag.
fn with_tag(id: &str) -> String {
    format!("{id}{MARKER}T{}T", id.chars().rev().collect::<String>())
}

fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(&[MARKER, "T"].concat()) {
        out.push_str(before);
        rest = behind.split_once('T').unwrap().1;
    }
    out + rest
}

#[test]
fn ids_of_objects_and_lists_are_tagged_and_nothing_else() {
    let batch = r#"{ "id" : "batch_1","object":"batch", "input_file_id":"file-1","output_file_id": null,"error_file_id":"file-2","metadata":{"id":"mine","input_file_id":"x"},"errors":{"data":[{"id":"e"}]}}"#;
    let expected = batch
        .replace("\"batch_1\"", &format!("\"{}\"", with_tag("batch_1")))
        .replace("\"file-1\"", &format!("\"{}\"", with_tag("file-1")))
        .replace("\"file-2\"", &format!("\"{}\"", with_tag("file-2")));
    assert_eq!(tagged_answer("POST", "/v1/batches", batch), expected);
    assert_eq!(tagged_answer("GET", "/v1/batches/batch_1", batch), expected);
    let list = format!(
        r#"{{"object":"list","data":[{batch},{batch}],"first_id":"batch_1","last_id":"batch_1","has_more":false}}"#
    );
    let id = with_tag("batch_1");
    let wanted = list.replace(batch, &expected).replace(r#"_id":"batch_1""#, &format!(r#"_id":"{id}""#));
    assert_eq!(tagged_answer("GET", "/v1/batches", &list), wanted);
    for (method, path) in
        [("POST", "/v1/files"), ("GET", "/v1/files/f"), ("DELETE", "/v1/files/f"), ("GET", "/v1/chat/completions/c")]
    {
        let file = r#"{"object":"file","deleted":true,"id":"file-1","filename":"id"}"#;
        assert_eq!(tagged_answer(method, path, file), file.replace("file-1", &with_tag("file-1")), "{path}");
    }
}

#[test]
fn a_response_is_tagged_when_it_is_stored() {
    let body = r#"{"id":"resp_1","previous_response_id":"resp_0","conversation":{"id":"conv_1"},"output":[{"id":"msg_1","type":"message","content":[{"text":"\"id\":\"resp_1\""}]}],"metadata":{"previous_response_id":"resp_0"}}"#;
    let previous = body.replacen("resp_0", &with_tag("resp_0"), 1).replace("conv_1", &with_tag("conv_1"));
    let stored = previous.replacen("resp_1", &with_tag("resp_1"), 1);
    for store in [None, Some(true)] {
        let places = places("POST", "/v1/responses", store).unwrap();
        assert_eq!(filtered(places, Framing::Object, [body.as_bytes()], GATEWAY), stored);
    }
    let unstored = places("POST", "/v1/responses", Some(false)).unwrap();
    assert_eq!(filtered(unstored, Framing::Object, [body.as_bytes()], GATEWAY), previous);
    assert_eq!(tagged_answer("GET", "/v1/responses/resp_1", body), stored);
    assert_eq!(tagged_answer("POST", "/v1/responses/resp_1/cancel", body), stored);
}

#[test]
fn what_is_the_objects_own_content_is_left_alone() {
    for (method, path, store) in [
        ("GET", "/v1/files/f/content", None),
        ("GET", "/v1/responses/r/input_items", None),
        ("GET", "/v1/chat/completions/c/messages", None),
        ("POST", "/v1/chat/completions", None),
        ("POST", "/v1/chat/completions", Some(false)),
        ("POST", "/v1/embeddings", None),
        ("GET", "/v1/models", None),
        ("POST", "/v1/messages", None),
        ("GET", "/v1/messages/batches/b/results", None),
        ("GET", "/anthropic/v1/files/f/content", None),
        ("POST", "/v1beta/models/m:generateContent", None),
    ] {
        assert!(places(method, path, store).is_none(), "{method} {path}");
    }
    assert!(places("POST", "/v1/chat/completions", Some(true)).is_some());
}

#[test]
fn results_are_fetched_at_the_gateway() {
    let batch = |url: &str| format!(r#"{{"id":"msgbatch_1","type":"message_batch","results_url":{url},"x":1}}"#);
    let tagged = |url: &str| batch(url).replacen("msgbatch_1", &with_tag("msgbatch_1"), 1);
    let ours = format!(r#""http://gateway:8080/v1/messages/batches/{}/results""#, with_tag("msgbatch_1"));
    for url in [
        r#""https://api.anthropic.com/v1/messages/batches/msgbatch_1/results""#,
        r#""https://relay.test/anthropic/v1/messages/batches/msgbatch_1/results""#,
    ] {
        assert_eq!(tagged_answer("GET", "/v1/messages/batches/b", &batch(url)), tagged(&ours), "{url}");
        let list = tagged_answer("GET", "/v1/messages/batches", &format!(r#"{{"data":[{}]}}"#, batch(url)));
        assert_eq!(list, format!(r#"{{"data":[{}]}}"#, tagged(&ours)));
    }
    for url in ["null", r#""https://api.anthropic.com/elsewhere""#, r#""https:\/\/a\/messages\/batches\/b""#, "{}"] {
        assert_eq!(tagged_answer("GET", "/v1/messages/batches/b", &batch(url)), tagged(url), "{url}");
    }
    let url = r#""https://api.anthropic.com/v1/messages/batches/msgbatch_1/results""#;
    let get = places("GET", "/v1/messages/batches/b", None).unwrap();
    assert_eq!(filtered(get, Framing::Object, [batch(url).as_bytes()], &Reversed(None)), tagged(url));
}

#[test]
fn what_is_no_plain_id_stays_as_it_is() {
    let long = format!(r#"{{"id":"{}","object":"file"}}"#, "x".repeat(5000));
    for body in [
        r#"{"id":""}"#,
        r#"{"id":null}"#,
        r#"{"id":5,"object":true}"#,
        r#"{"id":["file-1"]}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"a\u002db"}"#,
        r#"{"id":"a/b"}"#,
        r#"{"i\u0064":"file-1"}"#,
        r#"["file-1",{"id":1}]"#,
        "no JSON \"id\":\"file-1\"",
        r#"{"id":"file-1"#,
        &long,
        "",
    ] {
        assert_eq!(tagged_answer("POST", "/v1/files", body), body);
        let files = places("POST", "/v1/files", None).unwrap();
        assert_eq!(filtered(files, Framing::Object, body.as_bytes().chunks(1), GATEWAY), body);
    }
    let body = r#"{"id":"file-1"}"#;
    let files = places("POST", "/v1/files", None).unwrap();
    assert_eq!(filtered(files, Framing::Object, [body.as_bytes()], &Keyless), body);
}

const QUIET: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"delta\":\"\\\"id\\\":\\\"resp_1\\\"\"}\n\n";

fn response_event(name: &str, rest: &str) -> String {
    format!(
        "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":0,\"response\":{{\"id\":\"resp_1\",\"object\":\"response\",\"previous_response_id\":\"resp_0\"{rest}}}}}\n\n"
    )
}

fn stream() -> (String, String) {
    let events = |tagged: bool| {
        let event = |name: &str, rest: &str| {
            let event = response_event(name, rest);
            if tagged {
                event.replacen("resp_1", &with_tag("resp_1"), 1).replacen("resp_0", &with_tag("resp_0"), 1)
            } else {
                event
            }
        };
        [
            event("response.created", ""),
            event("response.in_progress", r#","output":[]"#),
            QUIET.to_owned(),
            QUIET.replace("event: response.output_text.delta\n", ""),
            ": a comment with \"id\":\"resp_1\"\n\n".to_owned(),
            event("response.completed", r#","output":[{"id":"msg_1"}],"usage":{"input_tokens":1}"#)
                .replace("event: response.completed\n", "id: 5\n"),
            "data: [DONE]\n\n".to_owned(),
        ]
        .concat()
    };
    (events(false), events(true))
}

#[test]
fn a_streams_response_is_tagged_in_each_event_that_has_it() {
    let (stream, expected) = stream();
    let responses = || places("POST", "/v1/responses", None).unwrap();
    for end in ["\n", "\r\n", "\r"] {
        let (stream, expected) = (stream.replace('\n', end), expected.replace('\n', end));
        let bytes = stream.as_bytes();
        assert_eq!(filtered(responses(), Framing::Events, [bytes], GATEWAY), expected, "{end:?}");
        for cut in 0..=bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            assert_eq!(filtered(responses(), Framing::Events, pieces, GATEWAY), expected, "{end:?} {cut}");
        }
        for size in [1, 2, 3, 7, 100] {
            let pieces = bytes.chunks(size);
            assert_eq!(filtered(responses(), Framing::Events, pieces, GATEWAY), expected, "{end:?} in {size}");
        }
    }
    assert_eq!(without_tags(&expected), stream);
}

#[test]
fn a_response_is_tagged_however_long_its_event_is() {
    let event = response_event("response.completed", "")
        .replace("\"object\":\"response\"", &format!("\"output\":[{{\"result\":\"{}\"}}]", "A".repeat(300_000)));
    let expected = event.replacen("resp_1", &with_tag("resp_1"), 1).replacen("resp_0", &with_tag("resp_0"), 1);
    let responses = places("POST", "/v1/responses", None).unwrap();
    assert_eq!(filtered(responses, Framing::Events, event.as_bytes().chunks(16 << 10), GATEWAY), expected);
}

#[test]
fn a_piece_without_an_id_is_not_copied_and_nothing_but_an_id_is_held() {
    let mut filter = IdFilter::new(places("POST", "/v1/responses", None).unwrap(), Framing::Events);
    let quiet = QUIET.as_bytes();
    for cut in 0..quiet.len() {
        assert_eq!(filter.filter(&quiet[..cut], GATEWAY), Forward::Piece(0..cut));
        assert_eq!(filter.filter(&quiet[cut..], GATEWAY), Forward::Piece(0..quiet.len() - cut));
    }
    let begun = b"data: {\"response\":{\"id\":\"resp";
    assert_eq!(filter.filter(begun, GATEWAY), Forward::Piece(0..begun.len() - 5));
    assert_eq!(filter.filter(b"_", GATEWAY), Forward::Copied(b""));
    let expected = format!("\"{}\",", with_tag("resp_1"));
    assert_eq!(filter.filter(b"1\",", GATEWAY), Forward::Copied(expected.as_bytes()));
    assert_eq!(filter.filter(b"\"x\":1}}\n\n", GATEWAY), Forward::Piece(0..9));
    assert!(filter.finish().is_empty());
}

#[test]
fn an_id_that_a_line_end_breaks_is_none() {
    let broken = "data: {\"response\":{\"id\":\"resp\ndata: _1\"}}\n\n";
    let whole = response_event("response.created", "");
    let stream = [broken, &whole].concat();
    let expected =
        [broken, &whole.replacen("resp_1", &with_tag("resp_1"), 1).replacen("resp_0", &with_tag("resp_0"), 1)];
    for size in [1, 5, 1000] {
        let responses = places("POST", "/v1/responses", None).unwrap();
        assert_eq!(filtered(responses, Framing::Events, stream.as_bytes().chunks(size), GATEWAY), expected.concat());
    }
}

fn found(protocol: Protocol, body: &Value) -> Vec<(String, String)> {
    let text = body.to_string();
    let found = tagged(protocol, text.as_bytes());
    for Tagged { id, tag, at, .. } in &found {
        assert_eq!(text[at.clone()], format!("{MARKER}{tag}"));
        assert!(text[..at.start].ends_with(&format!("\"{id}")));
    }
    found.iter().map(|found| (found.field.to_owned(), found.id.to_owned())).collect()
}

fn pair(field: &str, id: &str) -> (String, String) {
    (field.to_owned(), id.to_owned())
}

#[test]
fn tagged_ids_are_found_wherever_a_request_may_name_an_object() {
    let [a, b, c, d] = ["resp_a", "file-b", "file-c", "conv_d"].map(with_tag);
    let body = json!({
        "previous_response_id": a, "conversation": {"id": d},
        "input": [{"role": "user", "content": [{"type": "input_file", "file_id": b}, {"type": "input_text", "text": b}]}],
        "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-plain", c, b]}}],
        "some_new_id": b,
    });
    let mut ids = found(Protocol::OpenAi, &body);
    ids.sort();
    assert_eq!(
        ids,
        [
            pair("file_id", "file-b"),
            pair("file_ids", "file-b"),
            pair("file_ids", "file-c"),
            pair("id", "conv_d"),
            pair("previous_response_id", "resp_a"),
            pair("some_new_id", "file-b")
        ]
    );
    assert_eq!(found(Protocol::OpenAi, &json!({"conversation": d})), [pair("conversation", "conv_d")]);
    let source = json!({"messages": [{"content": [{"type": "document", "source": {"type": "file", "file_id": b}}]}]});
    assert_eq!(found(Protocol::Anthropic, &source), [pair("file_id", "file-b")]);
    let batch = json!({"requests": [{"custom_id": a, "params": source}]});
    assert_eq!(found(Protocol::Anthropic, &batch), [pair("file_id", "file-b")]);
}

#[test]
fn what_only_speaks_of_an_id_is_left_alone() {
    let id = with_tag("file-b");
    let arguments = json!({"file_id": id}).to_string();
    for body in [
        json!({"input": id, "instructions": id, "metadata": {"file_id": id, "deeper": {"id": [id]}}}),
        json!({"input": [{"type": "function_call", "arguments": arguments}, {"type": "function_call_output", "output": id}]}),
        json!({"tools": [{"parameters": {"properties": {"file_id": {"enum": [id], "default_id": id}}}}]}),
        json!({id.as_str(): "x", "x": [id, [id]]}),
        json!({"custom_id": id}),
    ] {
        assert_eq!(found(Protocol::OpenAi, &body), [], "{body}");
    }
    let call = json!({"messages": [{"content": [{"type": "tool_use", "id": "t", "input": {"file_id": id}}]}]});
    assert_eq!(found(Protocol::Anthropic, &call), []);
    assert_eq!(found(Protocol::Gemini, &json!({"file_id": id})), []);
    assert_eq!(tagged(Protocol::OpenAi, b"{\"file_id\":\"file-b\"}"), []);
}

#[test]
fn a_tag_is_whatever_stands_behind_the_last_marker() {
    assert_eq!(split("file-b"), None);
    assert_eq!(split("file-b-tgk1_x"), Some(("file-b", "x")));
    assert_eq!(split("file-b-tgk1_x-tgk1_y"), Some(("file-b-tgk1_x", "y")));
    assert_eq!(split("-tgk1_"), Some(("", "")));
}

fn taken_out(protocol: Protocol, body: &[u8]) -> Vec<u8> {
    let mut edits = Edits::default();
    for Tagged { at, .. } in tagged(protocol, body) {
        edits.push(Edit { at, with: std::borrow::Cow::Borrowed(b"") });
    }
    replace(body, &edits)
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\"(resp_|file-)?[a-z0-9]{1,6}\"",
        Just("null".to_owned()),
        Just("-1.5e3".to_owned()),
        Just("\"\\\"id\\\":\\\"resp_1\\\"\"".to_owned()),
    ];
    let name = prop::sample::select(vec![
        "id",
        "data",
        "response",
        "conversation",
        "previous_response_id",
        "input_file_id",
        "first_id",
        "metadata",
        "file_ids",
        "results_url",
        "x",
    ]);
    leaf.prop_recursive(4, 30, 5, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone(), "[ \t]?"), 0..5).prop_map(|members| {
            let members: Vec<_> =
                members.into_iter().map(|(name, value, space)| format!("\"{name}\"{space}:{space}{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![3 => members, 1 => prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(", ")))]
    })
}

fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<_> = cuts.iter().map(|index| index.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn answers_come_out_the_same_in_any_pieces_and_as_they_were_without_their_tags(
        values in prop::collection::vec(value(), 1..4), end in "(\n|\r\n|\r)", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)
    ) {
        let parts = |value| ["event: response.completed", &end, "data: ", value, &end, &end];
        let stream: String = values.iter().flat_map(|value| parts(value)).collect();
        for (text, framing, path) in [
            (&values[0], Framing::Object, "/v1/responses"),
            (&values[0], Framing::Object, "/v1/batches"),
            (&values[0], Framing::Object, "/v1/messages/batches"),
            (&stream, Framing::Events, "/v1/responses"),
        ] {
            let places = places("POST", path, None).unwrap();
            let whole = filtered(places, framing, [text.as_bytes()], GATEWAY);
            let pieces = cut(text.as_bytes(), &cuts);
            prop_assert_eq!(&filtered(places, framing, pieces.iter().map(Vec::as_slice), GATEWAY), &whole);
            prop_assert_eq!(&without_tags(&whole), text);
        }
    }

    #[test]
    fn any_bytes_pass_in_any_pieces(
        text in "(data:|event: ?|response\\.x|\\{|\\}|\"id\":|\"response\":|\"|\\\\|:|,|r_1|\r|\n|\\[| ){0,40}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)
    ) {
        for framing in [Framing::Object, Framing::Events] {
            let places = places("POST", "/v1/responses", None).unwrap();
            let whole = filtered(places, framing, [text.as_bytes()], GATEWAY);
            let pieces = cut(text.as_bytes(), &cuts);
            prop_assert_eq!(&filtered(places, framing, pieces.iter().map(Vec::as_slice), GATEWAY), &whole);
            prop_assert_eq!(without_tags(&whole), text.as_str());
        }
    }

    #[test]
    fn a_tag_that_was_put_in_comes_out_again(value in value()) {
        let responses = places("POST", "/v1/responses", None).unwrap();
        let tagged = filtered(responses, Framing::Object, [value.as_bytes()], GATEWAY);
        prop_assert_eq!(String::from_utf8(taken_out(Protocol::OpenAi, tagged.as_bytes())).unwrap(), value);
    }

    #[test]
    fn any_body_is_searched_without_panic(body in "(\\{|\\}|\\[|\\]|\"|:|,|id|\\\\|-tgk1_|x){0,30}") {
        for protocol in Protocol::ALL {
            let _ = taken_out(protocol, body.as_bytes());
        }
    }
}
