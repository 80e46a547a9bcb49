//! `/v1/files`: upload, list, look, read, delete.

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::incoming::Incoming;
use super::super::json::{Json, NULL, object};
use super::super::multipart::Form;
use super::super::plan::{Draft, Protocol};
use super::super::template::unix_now;
use super::stored::{File, ends, page};

/// `rest` is what follows `/v1/files`.
pub(crate) fn plan(context: &Context, incoming: &Incoming, rest: &str) -> Result<Draft, ApiError> {
    let stored = &context.shared.stored;
    let (id, action) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_start_matches('/'), ""));
    let missing = || ApiError { status: 404, ..ApiError::invalid("id", format!("No such File object: {id}")) };
    let body = match (incoming.method(), id, action) {
        ("POST", "", "") => upload(context, incoming)?,
        ("GET", "", "") => {
            let (page, has_more) =
                page(stored.files(context), incoming.parameter("limit"), incoming.parameter("after"));
            let (first, last) = ends(&page);
            let data: Vec<Json> = page.iter().map(|(id, file)| entry(id, file)).collect();
            object! { "object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more }
        }
        ("GET", id, "") => entry(id, &stored.file(context, id).ok_or_else(missing)?),
        ("GET", id, "content") => {
            let file = stored.file(context, id).ok_or_else(missing)?;
            return Ok(Draft::bytes(Protocol::OpenAi, "application/octet-stream", file.content));
        }
        ("DELETE", id, "") => {
            stored.remove_file(context, id).ok_or_else(missing)?;
            object! { "object": "file", "deleted": true, "id": id }
        }
        (method, _, _) => return Err(ApiError::new(404, format!("Invalid URL ({method} {})", incoming.path()))),
    };
    Ok(Draft::json(Protocol::OpenAi, &body))
}

fn upload(context: &Context, incoming: &Incoming) -> Result<Json, ApiError> {
    let form = Form::of(incoming).ok_or_else(|| ApiError::new(400, "Could not parse multipart form"))?;
    let part = form.part("file").ok_or_else(|| ApiError::invalid("file", "'file' is a required property"))?;
    let purpose =
        form.text("purpose").ok_or_else(|| ApiError::invalid("purpose", "'purpose' is a required property"))?;
    let file = File {
        name: part.file_name.clone().unwrap_or_default(),
        purpose,
        content: bytes::Bytes::copy_from_slice(&part.content),
        created_at: unix_now(),
    };
    let id = context.shared.stored.put_file(context, file.clone());
    Ok(entry(&id, &file))
}

fn entry(id: &str, file: &File) -> Json {
    object! {
        "object": "file",
        "id": id,
        "purpose": &file.purpose,
        "filename": &file.name,
        "bytes": file.content.len(),
        "created_at": file.created_at,
        "expires_at": NULL,
        "status": "processed",
        "status_details": NULL,
    }
}
