//! `/v1/messages/batches`. The requests are answered for real when the batch has ended.

use serde_json::Value;

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, object};
use super::super::openai::stored::{Batch, ends, page};
use super::super::plan::{Body, Draft, Protocol};
use super::super::template::{rfc3339, unix_now};
use super::messages;

const PREFIX: &str = "msgbatch_";
const DAY_SECONDS: u64 = 86_400;

/// `rest` is what follows `/v1/messages/batches`.
pub(crate) fn plan(context: &Context, incoming: &Incoming, rest: &str) -> Result<Draft, ApiError> {
    let stored = &context.shared.stored;
    let (id, action) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_start_matches('/'), ""));
    let missing = || ApiError::new(404, format!("Message batch {id} not found."));
    let host = incoming.header("host").or_else(|| incoming.header(":authority")).unwrap_or("localhost");
    let body = match (incoming.method(), id, action) {
        ("POST", "", "") => {
            let fields = super::object(incoming)?;
            let requests = fields.get("requests").and_then(Value::as_array).map_or(0, Vec::len) as u64;
            if requests == 0 {
                return Err(ApiError::new(400, "requests: List should have at least 1 item after validation"));
            }
            let batch = Batch { fields, created_at: unix_now(), asked: 0, cancelled: false, output: None, requests };
            entry(&stored.put_batch(context, PREFIX, batch.clone()), &batch, host)
        }
        ("GET", "", "") => {
            let all = stored.batches(context, PREFIX);
            let (page, has_more) = page(all, incoming.parameter("limit"), incoming.parameter("after_id"));
            let (first, last) = ends(&page);
            let data: Vec<Json> = page.iter().map(|(id, batch)| entry(id, batch, host)).collect();
            object! { "data": data, "has_more": has_more, "first_id": first, "last_id": last }
        }
        ("GET", id, "") => {
            let batch = stored.change_batch(context, id, |batch| batch.asked += 1).ok_or_else(missing)?;
            entry(id, &batch, host)
        }
        ("GET", id, "results") => {
            let batch = stored.change_batch(context, id, |_| ()).ok_or_else(missing)?;
            if !ended(&batch) {
                return Err(ApiError::new(404, format!("Message batch {id} has no results yet.")));
            }
            return Ok(Draft::bytes(Protocol::Anthropic, "application/x-jsonl", results(context, &batch)));
        }
        ("POST", id, "cancel") => {
            let batch = stored.change_batch(context, id, |batch| batch.cancelled = !ended(batch));
            entry(id, &batch.ok_or_else(missing)?, host)
        }
        ("DELETE", id, "") => {
            stored.remove_batch(context, id).ok_or_else(missing)?;
            object! { "id": id, "type": "message_batch_deleted" }
        }
        _ => return Err(ApiError::new(404, "Not Found")),
    };
    Ok(Draft::json(Protocol::Anthropic, &body))
}

/// The second look finds it done; a cancelled one is done at once.
fn ended(batch: &Batch) -> bool {
    batch.cancelled || batch.asked >= 2
}

fn results(context: &Context, batch: &Batch) -> Vec<u8> {
    let mut out = Vec::new();
    for request in batch.fields.get("requests").and_then(Value::as_array).into_iter().flatten() {
        let result = if batch.cancelled {
            object! { "type": "canceled" }
        } else {
            result(context, request)
        };
        let line = object! { "custom_id": request.get("custom_id").cloned(), "result": result };
        out.extend(line.to_bytes());
        out.push(b'\n');
    }
    out
}

fn result(context: &Context, request: &Value) -> Json {
    let params = request.get("params").cloned().unwrap_or_default();
    let stamp = context.shared.stamp(context.owner);
    let json = |draft: &Draft| match &draft.body {
        Body::Whole(template) => serde_json::from_slice::<Value>(&template.rendered(&stamp)).unwrap_or_default(),
        Body::Stream(_) => Value::Null,
    };
    match messages::plan(context, &params, params.to_string().as_bytes()) {
        Ok(draft) => object! { "type": "succeeded", "message": json(&draft) },
        Err(error) => object! { "type": "errored", "error": json(&error.draft(Protocol::Anthropic)) },
    }
}

fn entry(id: &str, batch: &Batch, host: &str) -> Json {
    let ended = ended(batch);
    let when = |happened: bool| happened.then(|| rfc3339(batch.created_at + 1));
    let done = |count: bool| if count { batch.requests } else { 0 };
    object! {
        "id": id,
        "type": "message_batch",
        "processing_status": if ended { "ended" } else { "in_progress" },
        "request_counts": object! {
            "processing": done(!ended),
            "succeeded": done(ended && !batch.cancelled),
            "errored": 0,
            "canceled": done(batch.cancelled),
            "expired": 0,
        },
        "ended_at": when(ended),
        "created_at": rfc3339(batch.created_at),
        "expires_at": rfc3339(batch.created_at + DAY_SECONDS),
        "archived_at": NULL,
        "cancel_initiated_at": when(batch.cancelled),
        "results_url": ended.then(|| format!("https://{host}/v1/messages/batches/{id}/results")),
    }
}
