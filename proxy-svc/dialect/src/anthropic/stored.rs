//! Where the ids of stored objects stand: message batches and files.

use crate::endpoint::Operation;
use crate::json::walk::{Node, Slot, Step};
use crate::stored::{Place, Places};

const DATA: Node = Node(2);
const ITEM: Node = Node(3);

pub(super) fn ids(operation: Operation, rest: &str) -> Option<Places> {
    // Results and a file's content are not the gateway's to change.
    let is_content = rest.ends_with("/results") || rest.ends_with("/content");
    match operation {
        Operation::CreateMessageBatch | Operation::UploadFile => Some(Places { select, may_hold }),
        Operation::MessageBatches | Operation::Files if !is_content => Some(Places { select, may_hold }),
        _ => None,
    }
}

/// None of these answers is a stream.
fn may_hold(_event: &[u8]) -> bool {
    true
}

fn select(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::ROOT, Some(b"data")) => Step::Enter(DATA),
        (DATA, None) => Step::Enter(ITEM),
        (Node::ROOT | ITEM, Some(b"id")) | (Node::ROOT, Some(b"first_id" | b"last_id")) => Step::Give(Slot::Id),
        (Node::ROOT | ITEM, Some(b"results_url")) => Step::Give(Slot::Url),
        _ => Step::Skip,
    }
}

pub(super) fn place(name: &[u8]) -> Place {
    match name {
        // The caller's own, the model's, and schemas.
        b"metadata" | b"custom_id" | b"input" | b"input_schema" => Place::Foreign,
        b"id" => Place::Id,
        _ if name.ends_with(b"_id") || name.ends_with(b"_ids") => Place::Id,
        _ => Place::Other,
    }
}
