//! Each stream for every caller, byte by byte.

use std::fmt::Write as _;

use tollgate_dialect::translate::{Format, Task, echo};

use crate::checks::streams::{self, translate};
use crate::fixtures::{self, folder};
use crate::snapshots::Snapshots;

fn check(from: Format) {
    let mut snapshots = Snapshots::of(&format!("{}/streams", folder(from)));
    for fixture in fixtures::of(from, "streams") {
        streams::check(from, &fixture.bytes);
        for to in Format::ALL {
            let echo = echo(Task::Conversation(to), b"{}");
            let streamed = translate(from, to, [&*fixture.bytes], &echo);
            let mut text = String::from_utf8(streamed.out).unwrap();
            if !streamed.is_whole {
                writeln!(text, "broken off: {:?}", streamed.observed.error).unwrap();
            }
            snapshots.compare(&format!("{}.for.{}", fixture.name, folder(to)), &text);
        }
    }
    snapshots.finish();
}

#[test]
fn chat_streams_for_every_caller() {
    check(Format::Chat);
}

#[test]
fn responses_streams_for_every_caller() {
    check(Format::Responses);
}

#[test]
fn messages_streams_for_every_caller() {
    check(Format::Messages);
}

#[test]
fn generate_streams_for_every_caller() {
    check(Format::Generate);
}
