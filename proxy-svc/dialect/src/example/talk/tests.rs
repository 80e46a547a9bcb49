use serde_json::{Value as Json, json};

use crate::Protocol;
use crate::endpoint::{Operation, recognise};
use crate::translate::{
    Caller, Exchange, Format, Names, NoSeal, StreamTranslator, Target, Terms, read_request, write_error, write_request,
};
use crate::usage::Tap;

const TERMS: Terms<'static> =
    Terms { id: "r-1", created: 1, model: "m", include_usage: true, events: true, echo: b"", seal: &NoSeal };

fn target(format: Format) -> Target<'static> {
    Target { format, model: "m", is_compatible: false, default_max_tokens: Some(100) }
}

fn written(from: Format, to: Format, body: &Json) -> Result<Json, String> {
    let body = body.to_string();
    let request = read_request(from, body.as_bytes(), &Caller { stream_in_path: false, seal: &NoSeal }).unwrap();
    let written = write_request(&request, &target(to)).map_err(|rejected| rejected.param)?;
    Ok(serde_json::from_slice(&written.body).unwrap())
}

fn streamed(from: Format, to: Format, pieces: &[&str]) -> String {
    let mut translator = StreamTranslator::new(from, to, &TERMS, Names::default());
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece.as_bytes(), &NoSeal, &mut out);
    }
    assert!(translator.finish(&NoSeal, &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn its_path_is_known() {
    let found = recognise("POST", "/v1/talk", |_| false).unwrap();
    assert_eq!((found.protocol, found.operation), (Protocol::Example, Operation::Talk));
    assert_eq!(Format::of(Operation::Talk), Some(Format::Talk));
}

#[test]
fn its_callers_reach_every_provider() {
    let request = json!({"model": "m", "most": 9, "mood": "merry", "lines": [{"by": "user", "words": "Hi"}]});
    for to in Format::ALL {
        let body = written(Format::Talk, to, &request).unwrap();
        assert!(body.to_string().contains("Hi"), "{}", to.as_str());
    }
    let used = json!({"model": "m", "words": "Hello", "why": "cut", "used": {"in": 9, "out": 4}});
    let text = used.to_string();
    for from in Format::ALL {
        // What any provider answers is what this one would have.
        let there = Exchange::Conversation { from: Format::Talk, to: from };
        let theirs =
            there.write_answer(text.as_bytes(), usage(Format::Talk, &text).as_ref(), &TERMS, &Names::default());
        let theirs = String::from_utf8(theirs.unwrap()).unwrap();
        let back = Exchange::Conversation { from, to: Format::Talk };
        let body = back.write_answer(theirs.as_bytes(), usage(from, &theirs).as_ref(), &TERMS, &Names::default());
        let body: Json = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body, used, "{}", from.as_str());
    }
}

fn usage(format: Format, body: &str) -> Option<crate::usage::Usage> {
    let mut tap = Tap::for_answer(format.protocol(), format.operation(false), Some("application/json"));
    tap.feed(body.as_bytes());
    tap.finish().usage
}

#[test]
fn callers_of_every_protocol_reach_it() {
    let chat = json!({"model": "x", "seed": 1, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]});
    let lines = json!([{"by": "rules", "words": "Be brief."}, {"by": "user", "words": "Hi"}]);
    assert_eq!(written(Format::Chat, Format::Talk, &chat).unwrap(), json!({"model": "m", "lines": lines}));
    let stop = json!({"max_tokens": 9, "stop_sequences": ["x"], "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(written(Format::Messages, Format::Talk, &stop), Err("stop".to_owned()));
}

#[test]
fn its_streams_pass_in_both_directions_however_they_are_cut() {
    let stream = concat!(
        "data: {\"words\":\"Hello\"}\n\ndata: {\"words\":\" there\"}\n\n",
        "data: {\"why\":\"done\",\"used\":{\"in\":9,\"out\":4}}\n\n",
    );
    for format in Format::ALL {
        let theirs = streamed(Format::Talk, format, &[stream]);
        for cut in 0..stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(streamed(Format::Talk, format, &[first, second]), theirs, "{} at {cut}", format.as_str());
        }
        assert_eq!(streamed(format, Format::Talk, &[&theirs]), stream, "{}", format.as_str());
    }
}

#[test]
fn its_errors_are_told_to_callers_of_others() {
    let body = br#"{"error":{"code":"too_long","message":"Too many words."}}"#;
    let (status, _, body) = write_error(Protocol::Example, Protocol::OpenAi, 400, body, "r-1");
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["error"]["code"]), (400, &json!("context_length_exceeded")));
}

/// The lines that `docs/adding-a-provider.md` says are added to the registries.
#[test]
fn the_document_says_what_was_done() {
    const DOCUMENT: &str = include_str!("../../../../../docs/adding-a-provider.md");
    const REGISTRIES: &str = concat!(
        include_str!("../../protocol.rs"),
        include_str!("../../endpoint/operation.rs"),
        include_str!("../../translate/format.rs")
    );
    let lines: Vec<&str> = DOCUMENT.split("```rust\n").skip(1).filter_map(|block| block.lines().next()).collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert!(REGISTRIES.contains(line), "{line}");
    }
}
