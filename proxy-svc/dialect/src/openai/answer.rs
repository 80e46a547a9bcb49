//! OpenAI's answers and events: where usage, errors and output stand in them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::json::string;
use crate::json::walk::{Kept, Node, Slot, Step};
use crate::usage::Progress;

use super::usage;

const RESPONSE: Node = Node(2);
const CHOICES: Node = Node(3);
const CHOICE: Node = Node(4);
const DELTA: Node = Node(5);

pub(super) fn select(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::LIST, None) => Step::Enter(Node::ROOT),
        (Node::ROOT | RESPONSE, Some(b"usage")) => Step::Keep(Slot::Usage),
        (Node::ROOT | RESPONSE, Some(b"model")) => Step::Keep(Slot::Model),
        (Node::ROOT | RESPONSE, Some(b"error")) => Step::Keep(Slot::Error),
        (Node::ROOT, Some(b"type")) => Step::Keep(Slot::Type),
        (Node::ROOT, Some(b"code")) => Step::Keep(Slot::Code),
        (Node::ROOT, Some(b"message")) => Step::Keep(Slot::Message),
        (Node::ROOT, Some(b"response")) => Step::Enter(RESPONSE),
        (Node::ROOT, Some(b"choices")) => Step::Enter(CHOICES),
        (CHOICES, None) => Step::Enter(CHOICE),
        (CHOICE, Some(b"delta")) => Step::Enter(DELTA),
        (DELTA, Some(b"role")) => Step::Skip,
        (CHOICE, Some(b"text" | b"finish_reason")) | (DELTA, Some(_)) => Step::Evidence,
        _ => Step::Skip,
    }
}

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
/// Of `"usage"` with its quotes.
const NAME_LENGTH: usize = 7;
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));

/// Events with a type are, but for the deltas, which are most of them. Of a chat's chunks, those are that tell usage
/// (`null` is none) or an error.
pub(super) fn is_interesting(payload: &[u8]) -> bool {
    if let Some(typed) = payload.strip_prefix(br#"{"type":""#) {
        let end = memchr::memchr(b'"', typed).unwrap_or_default();
        return !typed.get(..end).unwrap_or_default().ends_with(b"delta");
    }
    ERROR.find(payload).is_some()
        || USAGE.find_iter(payload).any(|at| {
            let behind = payload.get(at + NAME_LENGTH..).unwrap_or_default();
            !behind.starts_with(b":null")
        })
}

pub(super) fn observe(kept: &mut Kept, progress: &mut Progress) {
    progress.model(kept.get(Slot::Model));
    if let Some(raw) = kept.get(Slot::Usage) {
        usage::read(raw, &mut progress.reported);
        kept.swap(Slot::Usage, &mut progress.raw);
    }
    let Some(kind) = kept.get(Slot::Type).and_then(string) else { return };
    match &*kind {
        "response.completed"
        | "response.incomplete"
        | "image_generation.completed"
        | "image_edit.completed"
        | "speech.audio.done"
        | "transcript.text.done" => {
            progress.complete = true;
            progress.started = true;
        }
        "response.failed" => {
            progress.complete = true;
            progress.fail(kept.get(Slot::Error).unwrap_or(br#"{"type":"server_error"}"#));
        }
        "error" => progress.fail(&error_event(kept)),
        // Announcements: nothing of the output is in them yet.
        "response.created"
        | "response.in_progress"
        | "response.queued"
        | "response.output_item.added"
        | "response.content_part.added"
        | "keepalive" => {}
        _ => progress.started = true,
    }
}

/// The Responses API's error event has its fields at the top.
fn error_event(kept: &Kept) -> Vec<u8> {
    if let Some(error) = kept.get(Slot::Error) {
        return error.to_vec();
    }
    let mut object = b"{\"type\":\"error\"".to_vec();
    for (name, slot) in [(&b",\"code\":"[..], Slot::Code), (b",\"message\":", Slot::Message)] {
        if let Some(value) = kept.get(slot) {
            object.extend_from_slice(name);
            object.extend_from_slice(value);
        }
    }
    object.push(b'}');
    object
}
