use proptest::prelude::*;

use super::*;

const USAGE: &str = r#"{"id":"c","choices":[],"created":1,"usage":{"prompt_tokens":5,"completion_tokens":7}}"#;

fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut filter = UsageChunkFilter::new();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(filter.filter(piece).bytes(piece));
    }
    out.extend_from_slice(&filter.finish());
    String::from_utf8(out).unwrap()
}

fn events(payloads: &[&str]) -> String {
    payloads.iter().flat_map(|payload| ["data: ", payload, "\n\n"]).collect()
}

/// Streams and what of them the caller sees.
fn streams() -> Vec<(String, String)> {
    let delta = |rest: &str| format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":"x"}}}}]{rest}}}"#);
    let content = r#"{"choices":[{"delta":{"content":"say \"choices\":[],\"usage\":{} or ,\"usage\":null"}}]}"#;
    let same = [
        events(&[content, "[DONE]"]),
        events(&[r#"{"choices":[],"prompt_filter_results":[]}"#]),
        events(&[&delta(r#","usage":{"prompt_tokens":1}"#)]),
        events(&[&delta(r#","x":{"usage":null}"#), &delta(r#","x":{"a":1,"usage":null}"#)]),
        events(&[&delta(r#","usage":null,"x":"}""#), &delta(r#", "usage": null"#), r#"{"usage":null,"choices":[1]}"#]),
        events(&[r#"{"choices":[],"usage":{"#, r#"{"choices":[],"usage":5}"#, r#"{"choices":{},"usage":{}}"#]),
        format!(": comment \"usage\"\n\nevent: x\ndata: {}\nid: 1\n\n\n\ndata: end", delta("")),
        format!("data: {{\"choices\":[],\ndata: \"usage\":{{}}}}\n\n{}", events(&["[DONE]"])),
        "no stream at all, \"usage\"".to_owned(),
        format!("data: {{\"a\":\"{}\",\"usage\":null}}\n\n{}", "x".repeat(HELD_LIMIT), events(&[content])),
        String::new(),
    ];
    let taken_out = [
        (events(&[&delta(""), USAGE, "[DONE]"]), events(&[&delta(""), "[DONE]"])),
        (events(&[USAGE]), String::new()),
        (
            events(&[&delta(r#","usage":null"#), &delta(r#","usage":null,"obfuscation":"aX9""#), USAGE, "[DONE]"]),
            events(&[&delta(""), &delta(r#","obfuscation":"aX9""#), "[DONE]"]),
        ),
        (format!("event: chunk\ndata:{USAGE}\n\n: end\n\n"), ": end\n\n".to_owned()),
        (events(&[r#"{ "usage" : { "prompt_tokens" : 1 } , "choices" : [ ] }"#, "[DONE]"]), events(&["[DONE]"])),
        (format!("{}data: {USAGE}", events(&["1"])), events(&["1"])),
    ];
    same.into_iter().map(|stream| (stream.clone(), stream)).chain(taken_out).collect()
}

#[test]
fn only_what_was_not_asked_for_is_taken_out() {
    for (stream, expected) in streams() {
        assert_eq!(filtered([stream.as_bytes()]), expected);
        for end in ["\r\n", "\r"] {
            assert_eq!(
                filtered([stream.replace('\n', end).as_bytes()]),
                expected.replace('\n', end),
                "{stream} {end:?}"
            );
        }
    }
}

#[test]
fn how_the_stream_is_cut_changes_nothing() {
    for (stream, expected) in streams() {
        for end in ["\n", "\r\n"] {
            let (stream, expected) = (stream.replace('\n', end), expected.replace('\n', end));
            let bytes = stream.as_bytes();
            let step = (bytes.len() / 500).max(1);
            for cut in (0..=bytes.len()).step_by(step) {
                assert_eq!(filtered([&bytes[..cut], &bytes[cut..]]), expected, "{cut}");
            }
            for size in [1, 2, 3, 1000] {
                assert_eq!(filtered(bytes.chunks(size)), expected, "in {size}");
            }
        }
    }
}

#[test]
fn whole_events_pass_at_once_and_uncopied() {
    let mut filter = UsageChunkFilter::new();
    let piece = events(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#, r#"{"choices":[{"delta":{"content":"b"}}]}"#]);
    assert_eq!(filter.filter(piece.as_bytes()), Forward::Piece(0..piece.len()));
    let unfinished = [piece.as_str(), "data: {"].concat();
    assert_eq!(filter.filter(unfinished.as_bytes()), Forward::Piece(0..piece.len()));
    assert_eq!(filter.filter(b"}\n"), Forward::Copied(b""));
    assert_eq!(filter.filter(b"\n"), Forward::Copied(b"data: {}\n\n"));
    assert_eq!(filter.filter(piece.as_bytes()), Forward::Piece(0..piece.len()));
}

#[test]
fn a_long_event_passes_as_it_comes() {
    let mut filter = UsageChunkFilter::new();
    let long = vec![b'x'; HELD_LIMIT + 1];
    assert_eq!(filter.filter(&long), Forward::Piece(0..long.len()));
    assert!(!filter.is_after_whole_event());
    assert_eq!(filter.filter(b"yz"), Forward::Piece(0..2));
    assert_eq!(filter.filter(b"yz\n\n"), Forward::Piece(0..4));
    assert!(filter.is_after_whole_event());
}

proptest! {
    #[test]
    fn any_bytes_come_out_the_same_in_any_pieces(
        stream in "(data: ?|,?\"usage\":(null|\\{\\})|\"choices\":\\[\\]|\\{|\\}|,|\r|\n|\n\n|x){0,30}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)
    ) {
        let bytes = stream.as_bytes();
        let mut places: Vec<_> = cuts.iter().map(|index| index.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let out = filtered(pieces);
        prop_assert_eq!(&out, &filtered([bytes]));
        if !stream.contains("\"usage\"") {
            prop_assert_eq!(out, stream);
        }
    }
}
