//! Anthropic's answers and events: where usage, errors and output stand in them.

use crate::json::string;
use crate::json::walk::{Kept, Node, Slot, Step};
use crate::usage::Progress;

use super::usage;

const MESSAGE: Node = Node(2);
const DELTA: Node = Node(3);
const BLOCK: Node = Node(4);

pub(super) fn select(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::LIST, None) => Step::Enter(Node::ROOT),
        (Node::ROOT | MESSAGE, Some(b"usage")) => Step::Keep(Slot::Usage),
        (Node::ROOT | MESSAGE, Some(b"model")) => Step::Keep(Slot::Model),
        (Node::ROOT, Some(b"error")) => Step::Keep(Slot::Error),
        (Node::ROOT, Some(b"type")) => Step::Keep(Slot::Type),
        (Node::ROOT, Some(b"message")) => Step::Enter(MESSAGE),
        (Node::ROOT, Some(b"delta")) => Step::Enter(DELTA),
        (Node::ROOT, Some(b"content_block")) => Step::Enter(BLOCK),
        (DELTA, Some(b"stop_reason")) => Step::Evidence,
        (BLOCK, Some(b"type")) => Step::Keep(Slot::Code),
        _ => Step::Skip,
    }
}

/// Deltas, their frames and pings are most of a stream; the type is the first member of all that Anthropic sends.
pub(super) fn is_interesting(payload: &[u8]) -> bool {
    !(payload.starts_with(br#"{"type":"content_block_"#) || payload.starts_with(br#"{"type": "content_block_"#))
}

pub(super) fn observe(kept: &mut Kept, progress: &mut Progress) {
    progress.model(kept.get(Slot::Model));
    let opens = kept.get(Slot::Type) == Some(br#""message_start""#);
    if let Some(raw) = kept.get(Slot::Usage) {
        usage::read(raw, &mut progress.reported);
        let place = if opens { &mut progress.opening_raw } else { &mut progress.raw };
        kept.swap(Slot::Usage, place);
    }
    let kind = kept.get(Slot::Type).and_then(string);
    match kind.as_deref().unwrap_or_default() {
        "message_stop" => progress.complete = true,
        "content_block_delta" => progress.started = true,
        // A block that is more than an empty frame for deltas: a tool's call, a result, redacted thinking.
        "content_block_start" => {
            let block = kept.get(Slot::Code).and_then(string);
            progress.started |= !matches!(block.as_deref(), Some("text" | "thinking"));
        }
        "error" if kept.get(Slot::Error).is_none() => progress.fail(br#"{"type":"api_error"}"#),
        _ => {}
    }
}
