//! What the tests of this format share; each file is one direction.

use serde_json::{Value as Json, json};

use crate::canonical::Request;
use crate::translate::{
    Caller, Format, Names, Rejected, Seal, Target, Terms, header_value, read_request, write_answer, write_request,
};

mod answers;
mod odd;
mod requests_in;
mod requests_out;
mod round_trip;
mod stream_in;
mod stream_out;

/// Leaves everything as it is, so that what was sealed can be seen.
struct Open;

impl Seal for Open {
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        [b"sealed ", plain].concat()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.strip_prefix(b"sealed ")?.to_vec())
    }
}

const CALLER: Caller<'static> = Caller { stream_in_path: false, seal: &Open };

fn terms() -> Terms<'static> {
    Terms {
        id: "0192-ab",
        created: 1_764_000_000,
        model: "asked",
        include_usage: false,
        events: true,
        echo: b"",
        seal: &Open,
    }
}

fn target(model: &'static str) -> Target<'static> {
    Target { format: Format::Responses, model, is_compatible: false, default_max_tokens: None }
}

/// A caller's request. The body lives as long as the tests.
fn read(body: &Json) -> Result<Request<'static>, Rejected> {
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    read_request(Format::Responses, body.as_bytes(), &CALLER)
}

/// A request with these members besides a short input.
fn read_with(members: Json) -> Result<Request<'static>, Rejected> {
    let mut body = json!({"model": "m", "input": "Hi"});
    if let (Some(body), Json::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    read(&body)
}

/// A request whose input is one item.
fn read_item(item: &Json) -> Result<Request<'static>, Rejected> {
    read(&json!({"model": "m", "input": [item]}))
}

fn noted(request: &Request<'_>) -> String {
    header_value(&request.notes).unwrap_or_default()
}

/// The body for a target, and what was noted.
fn write_to(request: &Request<'_>, target: &Target<'_>) -> Result<(Json, String), Rejected> {
    let written = write_request(request, target)?;
    assert_eq!(written.path, "/responses");
    let body = serde_json::from_slice(&written.body).unwrap();
    Ok((body, header_value(&written.notes).unwrap_or_default()))
}

fn write(request: &Request<'_>) -> (Json, String) {
    write_to(request, &target("gpt-5.4")).unwrap()
}
