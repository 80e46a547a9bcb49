//! Where the ids of stored objects stand: responses, stored completions, files and batches.

use crate::endpoint::Operation;
use crate::json::walk::{Node, Slot, Step};
use crate::stored::{Place, Places};

const RESPONSE: Node = Node(2);
const CONVERSATION: Node = Node(3);
const DATA: Node = Node(4);
const ITEM: Node = Node(5);

/// A response is stored unless the request says otherwise, a completion only when it says so.
pub(super) fn ids(operation: Operation, rest: &str, store: Option<bool>) -> Option<Places> {
    // What is below an object is its content, and not the gateway's to change; a file may well be JSON.
    let is_content = ["/content", "/input_items", "/messages"].into_iter().any(|end| rest.ends_with(end));
    match operation {
        Operation::Responses if store == Some(false) => Some(Places { select: unstored_response, may_hold }),
        Operation::Responses => Some(Places { select: response, may_hold }),
        Operation::StoredResponses if !is_content => Some(Places { select: response, may_hold }),
        Operation::ChatCompletions if store == Some(true) => Some(Places { select: object, may_hold }),
        Operation::CreateBatch | Operation::Batches | Operation::UploadFile => {
            Some(Places { select: object, may_hold })
        }
        Operation::StoredCompletions | Operation::Files if !is_content => Some(Places { select: object, may_hold }),
        _ => None,
    }
}

/// The events with a response in them have a name of two words (`response.completed`), the many others a longer one
/// (`response.output_text.delta`).
fn may_hold(event: &[u8]) -> bool {
    memchr::memchr_iter(b'.', event).count() < 2
}

fn response(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::ROOT | RESPONSE, Some(b"id")) => Step::Give(Slot::Id),
        _ => unstored_response(node, name),
    }
}

/// What it goes on from is stored all the same.
fn unstored_response(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::ROOT, Some(b"response")) => Step::Enter(RESPONSE),
        (Node::ROOT | RESPONSE, Some(b"conversation")) => Step::Enter(CONVERSATION),
        (Node::ROOT | RESPONSE, Some(b"previous_response_id")) | (CONVERSATION, Some(b"id")) => Step::Give(Slot::Id),
        _ => Step::Skip,
    }
}

/// A file, a batch, a completion, or a list of one of them.
fn object(node: Node, name: Option<&[u8]>) -> Step {
    match (node, name) {
        (Node::ROOT, Some(b"data")) => Step::Enter(DATA),
        (DATA, None) => Step::Enter(ITEM),
        (Node::ROOT, Some(b"first_id" | b"last_id"))
        | (Node::ROOT | ITEM, Some(b"id" | b"input_file_id" | b"output_file_id" | b"error_file_id")) => {
            Step::Give(Slot::Id)
        }
        _ => Step::Skip,
    }
}

pub(super) fn place(name: &[u8]) -> Place {
    match name {
        // The caller's own, and schemas.
        b"metadata" | b"custom_id" | b"parameters" | b"schema" => Place::Foreign,
        b"id" | b"conversation" => Place::Id,
        _ if name.ends_with(b"_id") || name.ends_with(b"_ids") => Place::Id,
        _ => Place::Other,
    }
}
