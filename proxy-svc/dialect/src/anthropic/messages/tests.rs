use serde_json::{Value as Json, json};

use super::*;
use crate::translate::{Format, Note, Seal, Written, header_value, read_request, write_request};

mod answers;
mod reading;
mod round_trip;
mod streams;
mod thinking;
mod writing;

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

const CALLER: Caller<'static> = Caller { stream_in_path: false, seal: &Reversed };

const TERMS: Terms<'static> = Terms {
    id: "0190-ab",
    created: 1,
    model: "asked-for",
    include_usage: false,
    events: true,
    echo: b"",
    seal: &Reversed,
};

const fn target(model: &str) -> Target<'_> {
    Target { format: Format::Messages, model, is_compatible: false, default_max_tokens: None }
}

/// The model of most tests: it thinks with a budget, takes schemas and a prefill.
const MODEL: &str = "claude-haiku-4-5";

/// Reads a request that must be fine, and gives it to `check` with what was noted.
fn read_as<T>(body: &Json, check: impl FnOnce(&Request<'_>, String) -> T) -> T {
    let body = body.to_string();
    let request = read_request(Format::Messages, body.as_bytes(), &CALLER).unwrap();
    check(&request, shown(&request.notes))
}

fn rejected(body: &Json) -> Rejected {
    read_request(Format::Messages, body.to_string().as_bytes(), &CALLER).unwrap_err()
}

fn write_for(model: &str, request: &Request<'_>) -> Result<Written, Rejected> {
    write_request(request, &target(model))
}

/// A request as it is written, and what was noted.
fn written_for(model: &str, request: &Request<'_>) -> (Json, String) {
    let written = write_for(model, request).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), shown(&written.notes))
}

fn written(request: &Request<'_>) -> (Json, String) {
    written_for(MODEL, request)
}

fn shown(notes: &[Note]) -> String {
    header_value(notes).unwrap_or_default()
}

/// A body with one message of the user, and the members of `extra`.
fn body(extra: &Json) -> Json {
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
