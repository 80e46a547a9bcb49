//! Each request for every target.

use std::fmt::Write as _;

use tollgate_dialect::translate::{Caller, Format, Target, header_value, read_request, write_request};

use crate::checks::{Turned, json};
use crate::fixtures::{self, Fixture, folder};
use crate::snapshots::Snapshots;

/// A target's name in the snapshots, and its models: of requests without thoughts, and of those with them.
const TARGETS: [(&str, Format, bool, [&str; 2]); 5] = [
    ("chat", Format::Chat, false, ["gpt-4.1", "gpt-5.2"]),
    ("chat_compatible", Format::Chat, true, ["llama-3.3-70b", "deepseek-reasoner"]),
    ("responses", Format::Responses, false, ["gpt-5.2", "gpt-5.2"]),
    ("messages", Format::Messages, false, ["claude-sonnet-4-5", "claude-opus-4-6"]),
    ("generate", Format::Generate, false, ["gemini-2.5-flash", "gemini-3-pro-preview"]),
];

fn written(from: Format, fixture: &Fixture, target: &Target<'_>) -> String {
    let request = match read_request(from, &fixture.bytes, &Caller { stream_in_path: false, seal: &Turned }) {
        Ok(request) => request,
        Err(rejected) => return format!("not read: {}: {}\n", rejected.param, rejected.message),
    };
    match write_request(&request, target) {
        Err(rejected) => format!("refused: {}: {}\n", rejected.param, rejected.message),
        Ok(written) => {
            let mut text = format!("{}\n", written.path);
            if let Some(notes) = header_value(&written.notes) {
                writeln!(text, "adapted: {notes}").unwrap();
            }
            let body = String::from_utf8(written.body).unwrap();
            json::parse(body.as_bytes(), "the body");
            format!("{text}\n{}", json::pretty(&body))
        }
    }
}

fn check(from: Format) {
    let mut snapshots = Snapshots::of(&format!("{}/requests", folder(from)));
    for fixture in fixtures::of(from, "requests") {
        for (to, format, is_compatible, models) in TARGETS {
            let model = models[usize::from(fixture.name.starts_with("reasoning"))];
            let target = Target { format, model, is_compatible, default_max_tokens: None };
            snapshots.compare(&format!("{}.to.{to}", fixture.name), &written(from, &fixture, &target));
        }
    }
    snapshots.finish();
}

#[test]
fn chat_requests_for_every_target() {
    check(Format::Chat);
}

#[test]
fn responses_requests_for_every_target() {
    check(Format::Responses);
}

#[test]
fn messages_requests_for_every_target() {
    check(Format::Messages);
}

#[test]
fn generate_requests_for_every_target() {
    check(Format::Generate);
}
