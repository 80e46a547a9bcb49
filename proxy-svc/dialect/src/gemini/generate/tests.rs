use serde_json::{Value as Json, json};

use super::*;
use crate::translate::{Format, Names, Seal, StreamTranslator, header_value, write_request};

mod answers;
mod early_schemas;
mod requests_in;
mod requests_out;
mod streams;

/// Turns the bytes round, behind a mark.
struct Reversed;

impl Seal for Reversed {
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        b"\xff\xfe".iter().chain(plain.iter().rev()).copied().collect()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.strip_prefix(b"\xff\xfe")?.iter().rev().copied().collect())
    }
}

const CALLER: Caller<'_> = Caller { stream_in_path: false, seal: &Reversed };

const TERMS: Terms<'_> =
    Terms { id: "req-1", created: 1, model: "gemini-x", include_usage: true, events: true, echo: b"", seal: &Reversed };

/// A caller's request; what it borrows from stays for the test's time.
fn read(body: &Json) -> Result<Request<'static>, Rejected> {
    let body: &'static str = body.to_string().leak();
    Generate.read_request(Value::parse(body.as_bytes()).unwrap(), &CALLER)
}

fn accepted(body: &Json) -> Request<'static> {
    read(body).unwrap_or_else(|rejected| panic!("{rejected:?}: {body}"))
}

/// Of a request that says nothing else.
fn with(name: &str, value: Json) -> Json {
    let mut body = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
    body[name] = value;
    body
}

fn parts(parts: &Json) -> Json {
    json!({"contents": [{"role": "user", "parts": parts}]})
}

/// The body for a model, and what was adapted.
fn written(request: &Request<'_>, model: &str) -> Result<(Json, String), Rejected> {
    let target = Target { format: Format::Generate, model, is_compatible: false, default_max_tokens: Some(7) };
    let written = write_request(request, &target)?;
    let body = serde_json::from_slice(&written.body).unwrap();
    Ok((body, header_value(&written.notes).unwrap_or_default()))
}
