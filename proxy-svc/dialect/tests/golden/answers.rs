//! Each whole answer for every caller.

use tollgate_dialect::translate::{Exchange, Format, Names, Task, echo};

use crate::checks::{Turned, answers, json, terms};
use crate::fixtures::{self, folder};
use crate::snapshots::Snapshots;

fn check(from: Format) {
    let mut snapshots = Snapshots::of(&format!("{}/answers", folder(from)));
    for fixture in fixtures::of(from, "answers") {
        answers::check(from, &fixture.bytes);
        let usage = answers::usage(from, &fixture.bytes);
        for to in Format::ALL {
            let echo = echo(Task::Conversation(to), b"{}");
            let exchange = Exchange::Conversation { from, to };
            let text = match exchange.write_answer(
                &fixture.bytes,
                usage.as_ref(),
                &terms(&Turned, &echo),
                &Names::default(),
            ) {
                Ok(body) => json::pretty(&String::from_utf8(body).unwrap()),
                Err(unreadable) => format!("{unreadable}\n"),
            };
            snapshots.compare(&format!("{}.for.{}", fixture.name, folder(to)), &text);
        }
    }
    snapshots.finish();
}

#[test]
fn chat_answers_for_every_caller() {
    check(Format::Chat);
}

#[test]
fn responses_answers_for_every_caller() {
    check(Format::Responses);
}

#[test]
fn messages_answers_for_every_caller() {
    check(Format::Messages);
}

#[test]
fn generate_answers_for_every_caller() {
    check(Format::Generate);
}
