//! What holds for the codec as a whole.

use serde_json::Value as Json;

use crate::canonical::Request;
use crate::json::Value;
use crate::translate::{self, Caller, Format, Names, Rejected, Seal, StreamTranslator, Target, Terms, Written};

mod answers;
mod hostile;
mod read_calls;
mod read_request;
mod read_stream;
mod round_trip;
mod write_request;
mod write_stream;

/// Turns the bytes round, behind a mark.
struct Reversed;

impl Seal for Reversed {
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        b"\xff\x01".iter().chain(plain.iter().rev()).copied().collect()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.strip_prefix(b"\xff\x01")?.iter().rev().copied().collect())
    }
}

const TERMS: Terms<'static> = Terms {
    id: "0a",
    created: 1_700_000_000,
    model: "asked",
    include_usage: true,
    events: true,
    echo: b"",
    seal: &Reversed,
};

const OPENAI: Target<'static> =
    Target { format: Format::Chat, model: "gpt-4.1", is_compatible: false, default_max_tokens: Some(9) };

const COMPATIBLE: Target<'static> = Target { model: "llama", is_compatible: true, ..OPENAI };

fn try_read(body: &str) -> Result<Request<'_>, Rejected> {
    translate::read_request(Format::Chat, body.as_bytes(), &Caller { stream_in_path: false, seal: &Reversed })
}

fn read(body: &str) -> Request<'_> {
    try_read(body).unwrap()
}

fn noted(request: &Request<'_>) -> Vec<String> {
    names(&request.notes)
}

fn names(notes: &[translate::Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{}={}", note.field, note.how.as_str())).collect()
}

/// A request with one message, and these members besides.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#)
}

fn write(request: &Request<'_>, target: &Target<'_>) -> Written {
    translate::write_request(request, target).unwrap()
}

fn json(text: &[u8]) -> Json {
    serde_json::from_slice(text).unwrap()
}

/// The stream of a provider, through the reader and the writer, cut at every byte.
fn through(stream: &str, terms: &Terms<'_>) -> (String, bool, Option<String>) {
    let run = |pieces: &[&[u8]]| {
        let mut translator = StreamTranslator::new(Format::Chat, Format::Chat, terms, Names::default());
        let mut out = Vec::new();
        for piece in pieces {
            translator.feed(piece, terms.seal, &mut out);
        }
        let is_complete = translator.finish(terms.seal, &mut out);
        let error = translator.error().map(|error| error.message.clone());
        (String::from_utf8(out).unwrap(), is_complete, error)
    };
    let whole = run(&[stream.as_bytes()]);
    for cut in 0..stream.len() {
        let (before, behind) = stream.as_bytes().split_at(cut);
        assert_eq!(run(&[before, behind]), whole, "cut at {cut}");
    }
    whole
}

/// The chunks of a stream, with `data: ` before each.
fn sse(chunks: &[&str]) -> String {
    chunks.iter().flat_map(|chunk| ["data: ", chunk, "\n\n"]).collect()
}

fn chunks(stream: &str) -> Vec<Json> {
    let events = stream.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    events.filter(|data| *data != "[DONE]").map(|data| json(data.as_bytes())).collect()
}

fn value(text: &str) -> Value<'_> {
    Value::parse(text.as_bytes()).unwrap()
}
