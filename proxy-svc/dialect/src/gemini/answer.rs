//! Gemini's answers and chunks: where usage, errors and output stand in them. A stream's chunk has the shape of a
//! whole answer.

use crate::json::walk::{Kept, Node, Slot, Step};
use crate::usage::Progress;

use super::usage;

const CANDIDATES: Node = Node(2);
const CANDIDATE: Node = Node(3);
const CONTENT: Node = Node(4);
const PARTS: Node = Node(5);
const PART: Node = Node(6);
const FEEDBACK: Node = Node(7);

pub(super) fn select(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::LIST, None) => Step::Enter(Node::ROOT),
        (Node::ROOT, Some(b"usageMetadata")) => Step::Keep(Slot::Usage),
        (Node::ROOT, Some(b"modelVersion")) => Step::Keep(Slot::Model),
        (Node::ROOT, Some(b"error")) => Step::Keep(Slot::Error),
        (Node::ROOT, Some(b"candidates")) => Step::Enter(CANDIDATES),
        (Node::ROOT, Some(b"promptFeedback")) => Step::Enter(FEEDBACK),
        (CANDIDATES, None) => Step::Enter(CANDIDATE),
        (CANDIDATE, Some(b"content")) => Step::Enter(CONTENT),
        (CANDIDATE, Some(b"finishReason")) => Step::Keep(Slot::Finish),
        (FEEDBACK, Some(b"blockReason")) => Step::Keep(Slot::Block),
        (CONTENT, Some(b"parts")) => Step::Enter(PARTS),
        (PARTS, None) => Step::Enter(PART),
        (PART, Some(b"thought")) => Step::Skip,
        (PART, Some(_)) => Step::Evidence,
        _ => Step::Skip,
    }
}

/// Each chunk restates the usage, and the last may be the one that comes.
pub(super) const fn is_interesting(_payload: &[u8]) -> bool {
    true
}

pub(super) fn observe(kept: &mut Kept, progress: &mut Progress) {
    progress.model(kept.get(Slot::Model));
    if let Some(raw) = kept.get(Slot::Usage)
        && progress.raw != raw
    {
        usage::read(raw, &mut progress.reported);
        // Some chunks say nothing in it but the kind of traffic.
        if progress.raw.is_empty() || usage::has_counts(raw) {
            kept.swap(Slot::Usage, &mut progress.raw);
        }
    }
    let blocked = kept.get(Slot::Block).is_some();
    progress.blocked |= blocked;
    if blocked || kept.get(Slot::Finish).is_some() {
        progress.complete = true;
        progress.started = true;
    }
}
