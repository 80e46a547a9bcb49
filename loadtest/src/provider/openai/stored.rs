//! Objects that outlive a request: files, batches, responses, each visible to the credential that made it.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;

use super::super::error::ApiError;
use super::super::exchange::Context;
use super::super::json::Json;
use super::super::plan::{Body, Plan};
use super::super::template::{Stamp, fresh_id, owner_of};

/// The oldest go when there are more: a test that forgets to delete must not eat the memory.
const MAX_OBJECTS: usize = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Stored {
    files: Mutex<Shelf<File>>,
    batches: Mutex<Shelf<Batch>>,
    /// Whole response objects, as JSON.
    responses: Mutex<Shelf<Bytes>>,
}

#[derive(Debug)]
struct Shelf<T> {
    by_id: HashMap<String, T>,
    order: Vec<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), order: Vec::new() }
    }
}

impl<T: Clone> Shelf<T> {
    fn put(&mut self, id: String, object: T) {
        if self.order.len() >= MAX_OBJECTS {
            let oldest = self.order.remove(0);
            self.by_id.remove(&oldest);
        }
        self.order.push(id.clone());
        self.by_id.insert(id, object);
    }

    fn remove(&mut self, id: &str) -> Option<T> {
        self.order.retain(|kept| kept != id);
        self.by_id.remove(id)
    }

    /// Newest first, those of one owner.
    fn of(&self, owner: u32) -> Vec<(String, T)> {
        let own = self.order.iter().rev().filter(|id| owner_of(id) == Some(owner));
        own.filter_map(|id| Some((id.clone(), self.by_id.get(id)?.clone()))).collect()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) purpose: String,
    pub(crate) content: Bytes,
    pub(crate) created_at: u64,
}

/// A batch of either provider. It advances each time it is asked for, so that pollers see every
/// state and nobody has to wait.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// As the request gave them.
    pub(crate) fields: Value,
    pub(crate) created_at: u64,
    pub(crate) asked: u32,
    pub(crate) cancelled: bool,
    /// The output, once there is one: a file's id or the results themselves.
    pub(crate) output: Option<String>,
    pub(crate) requests: u64,
}

impl Stored {
    pub(crate) fn put_file(&self, context: &Context, file: File) -> String {
        let id = format!("file-{}", fresh_id(context.shared.number(), context.owner));
        self.files.lock().put(id.clone(), file);
        id
    }

    pub(crate) fn file(&self, context: &Context, id: &str) -> Option<File> {
        (owner_of(id) == Some(context.owner)).then(|| self.files.lock().by_id.get(id).cloned()).flatten()
    }

    pub(crate) fn files(&self, context: &Context) -> Vec<(String, File)> {
        self.files.lock().of(context.owner)
    }

    pub(crate) fn remove_file(&self, context: &Context, id: &str) -> Option<File> {
        (owner_of(id) == Some(context.owner)).then(|| self.files.lock().remove(id)).flatten()
    }

    /// Keeps the response object of an answer, streamed or not, unless it was not to be stored.
    pub(crate) fn put_response(&self, plan: &Plan, stamp: &Stamp) {
        let object = match &plan.body {
            Body::Whole(template) => serde_json::from_slice::<Value>(&template.rendered(stamp)).ok(),
            Body::Stream(chunks) => chunks.last().and_then(|chunk| {
                let event = chunk.payload.rendered(stamp);
                let (_, data) = std::str::from_utf8(&event).ok()?.split_once("data: ")?;
                serde_json::from_str::<Value>(data).ok()?.get("response").cloned()
            }),
        };
        if let Some(object) = object.filter(|object| object.get("store") == Some(&Value::Bool(true)))
            && let Some(id) = object.get("id").and_then(Value::as_str)
        {
            self.responses.lock().put(id.to_owned(), object.to_string().into());
        }
    }

    pub(crate) fn response(&self, context: &Context, id: &str) -> Option<Bytes> {
        (owner_of(id) == Some(context.owner)).then(|| self.responses.lock().by_id.get(id).cloned()).flatten()
    }

    pub(crate) fn remove_response(&self, context: &Context, id: &str) -> Option<Bytes> {
        (owner_of(id) == Some(context.owner)).then(|| self.responses.lock().remove(id)).flatten()
    }

    pub(crate) fn put_batch(&self, context: &Context, prefix: &str, batch: Batch) -> String {
        let id = format!("{prefix}{}", fresh_id(context.shared.number(), context.owner));
        self.batches.lock().put(id.clone(), batch);
        id
    }

    pub(crate) fn batches(&self, context: &Context, prefix: &str) -> Vec<(String, Batch)> {
        let mut all = self.batches.lock().of(context.owner);
        all.retain(|(id, _)| id.starts_with(prefix));
        all
    }

    /// Changes a batch of this owner and gives it as it is then.
    pub(crate) fn change_batch(&self, context: &Context, id: &str, change: impl FnOnce(&mut Batch)) -> Option<Batch> {
        if owner_of(id) != Some(context.owner) {
            return None;
        }
        let mut batches = self.batches.lock();
        let batch = batches.by_id.get_mut(id)?;
        change(batch);
        Some(batch.clone())
    }

    pub(crate) fn remove_batch(&self, context: &Context, id: &str) -> Option<Batch> {
        (owner_of(id) == Some(context.owner)).then(|| self.batches.lock().remove(id)).flatten()
    }
}

/// Whether an id of that kind was given out to this credential.
pub(crate) fn check_owner(context: &Context, id: &str, prefix: &str) -> Result<(), ()> {
    if id.starts_with(prefix) && owner_of(id) == Some(context.owner) { Ok(()) } else { Err(()) }
}

/// A file that a prompt refers to must be one of this credential's.
pub(crate) fn check_file(context: &Context, id: Option<&Value>) -> Result<(), ApiError> {
    match id.and_then(Value::as_str) {
        Some(id) if context.shared.stored.file(context, id).is_none() => {
            Err(ApiError::new(404, format!("No such File object: {id}")))
        }
        _ => Ok(()),
    }
}

/// `?limit=` and `?after=` over a list that is newest first.
pub(crate) fn page<T>(all: Vec<(String, T)>, limit: Option<&str>, after: Option<&str>) -> (Vec<(String, T)>, bool) {
    let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(20_usize);
    let skip = after.and_then(|after| all.iter().position(|(id, _)| id == after)).map_or(0, |at| at + 1);
    let has_more = all.len() > skip + limit;
    (all.into_iter().skip(skip).take(limit).collect(), has_more)
}

/// The ids around a page.
pub(crate) fn ends<T>(page: &[(String, T)]) -> (Json, Json) {
    (Json::from(page.first().map(|(id, _)| id)), Json::from(page.last().map(|(id, _)| id)))
}
