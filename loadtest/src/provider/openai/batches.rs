//! `/v1/batches`. The lines of the input file are answered for real when the batch completes.

use bytes::Bytes;
use serde_json::Value;

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::{HeadBuilder, Incoming};
use super::super::json::{Json, NULL, object};
use super::super::plan::{Body, Draft, Protocol};
use super::super::template::{ID, unix_now};
use super::generate;
use super::stored::{Batch, File, ends, page};

const PREFIX: &str = "batch_";
const DAY_SECONDS: u64 = 86_400;

/// `rest` is what follows `/v1/batches`.
pub(crate) fn plan(context: &Context, incoming: &Incoming, rest: &str) -> Result<Draft, ApiError> {
    let stored = &context.shared.stored;
    let (id, action) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_start_matches('/'), ""));
    let missing = || ApiError::new(404, format!("No batch found with id '{id}'."));
    let body = match (incoming.method(), id, action) {
        ("POST", "", "") => create(context, incoming)?,
        ("GET", "", "") => {
            let all = stored.batches(context, PREFIX);
            let (page, has_more) = page(all, incoming.parameter("limit"), incoming.parameter("after"));
            let (first, last) = ends(&page);
            let data: Vec<Json> = page.iter().map(|(id, batch)| entry(id, batch)).collect();
            object! { "object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more }
        }
        ("GET", id, "") => {
            let batch = stored.change_batch(context, id, |batch| batch.asked += 1).ok_or_else(missing)?;
            entry(id, &complete(context, id, batch))
        }
        ("POST", id, "cancel") => {
            let batch = stored.change_batch(context, id, |batch| batch.cancelled = batch.output.is_none());
            entry(id, &batch.ok_or_else(missing)?)
        }
        (method, _, _) => return Err(ApiError::new(404, format!("Invalid URL ({method} {})", incoming.path()))),
    };
    Ok(Draft::json(Protocol::OpenAi, &body))
}

fn create(context: &Context, incoming: &Incoming) -> Result<Json, ApiError> {
    let fields = super::object(incoming)?;
    let text = |name: &str| {
        let value = fields.get(name).and_then(Value::as_str);
        value.ok_or_else(|| ApiError::invalid(name, format!("Missing required parameter: '{name}'.")))
    };
    let (input, _, _) = (text("input_file_id")?, text("endpoint")?, text("completion_window")?);
    let file = context.shared.stored.file(context, input);
    let file = file.ok_or_else(|| ApiError::invalid("input_file_id", format!("Invalid file id: {input}")))?;
    let requests =
        file.content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64;
    let batch = Batch { fields, created_at: unix_now(), asked: 0, cancelled: false, output: None, requests };
    let id = context.shared.stored.put_batch(context, PREFIX, batch.clone());
    Ok(entry(&id, &batch))
}

/// The second look finds it done.
fn complete(context: &Context, id: &str, batch: Batch) -> Batch {
    if batch.asked < 2 || batch.cancelled || batch.output.is_some() {
        return batch;
    }
    let stored = &context.shared.stored;
    let input = batch.fields.get("input_file_id").and_then(Value::as_str).unwrap_or_default();
    let input = stored.file(context, input).map(|file| file.content).unwrap_or_default();
    let mut output = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        if let Ok(line) = serde_json::from_slice::<Value>(line) {
            output.extend(answer_line(context, &line).to_bytes());
            output.push(b'\n');
        }
    }
    let name = format!("{id}_output.jsonl");
    let file = File { name, purpose: "batch_output".to_owned(), content: output.into(), created_at: unix_now() };
    let file_id = stored.put_file(context, file);
    stored.change_batch(context, id, |batch| batch.output = Some(file_id)).unwrap_or(batch)
}

fn answer_line(context: &Context, line: &Value) -> Json {
    let body = Bytes::from(line.get("body").map(ToString::to_string).unwrap_or_default());
    let url = line.get("url").and_then(Value::as_str).unwrap_or_default();
    let incoming = HeadBuilder::default().build("POST", url, body, 0);
    let draft = generate(context, &incoming, url).unwrap_or_else(|error| error.draft(Protocol::OpenAi));
    let stamp = context.shared.stamp(context.owner);
    let body = match &draft.body {
        Body::Whole(template) => serde_json::from_slice(&template.rendered(&stamp)).unwrap_or(Value::Null),
        Body::Stream(_) => Value::Null,
    };
    object! {
        "id": stamp.apply(&format!("batch_req_{ID}")),
        "custom_id": line.get("custom_id").cloned(),
        "response": object! {
            "status_code": draft.status,
            "request_id": stamp.apply(ID),
            "body": body,
        },
        "error": NULL,
    }
}

fn entry(id: &str, batch: &Batch) -> Json {
    let done = batch.output.is_some();
    let status = match (batch.cancelled, done, batch.asked) {
        (true, _, _) => "cancelled",
        (_, true, _) => "completed",
        (_, _, 0) => "validating",
        _ => "in_progress",
    };
    let field = |name: &str| batch.fields.get(name).cloned().unwrap_or(Value::Null);
    let when = |happened: bool| happened.then_some(batch.created_at + 1);
    object! {
        "id": id,
        "object": "batch",
        "endpoint": field("endpoint"),
        "errors": NULL,
        "input_file_id": field("input_file_id"),
        "completion_window": field("completion_window"),
        "status": status,
        "output_file_id": batch.output.clone(),
        "error_file_id": NULL,
        "created_at": batch.created_at,
        "in_progress_at": when(batch.asked > 0),
        "expires_at": batch.created_at + DAY_SECONDS,
        "finalizing_at": when(done),
        "completed_at": when(done),
        "failed_at": NULL,
        "expired_at": NULL,
        "cancelling_at": when(batch.cancelled),
        "cancelled_at": when(batch.cancelled),
        "request_counts": object! {
            "total": batch.requests, "completed": if done { batch.requests } else { 0 }, "failed": 0,
        },
        "metadata": field("metadata"),
    }
}
