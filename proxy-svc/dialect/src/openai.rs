//! OpenAI's protocol: chat completions, responses, and what else it has under `/v1`.

use crate::classify::{Class, Dimension, Fault, Headers};
use crate::dialect::Dialect;
use crate::endpoint::{Operation, Path, Route};
use crate::error::{ErrorBody, ErrorKind, Shape};
use crate::headers::Side;
use crate::json::walk::{Kept, Select};
use crate::models::InvalidParameter;
use crate::stored::{Place, Places};
use crate::usage::{Progress, ProviderError, Reported, Usage};

pub(crate) mod chat;
pub(crate) mod responses;

mod answer;
pub(crate) mod embeddings;
mod endpoint;
mod error;
mod headers;
mod models;
pub(crate) mod schema;
mod stored;
pub(crate) mod strictness;
mod usage;

pub(crate) use error::Inner;

pub(crate) struct OpenAi;

impl Dialect for OpenAi {
    fn route(&self, path: &Path<'_>) -> Option<Route> {
        endpoint::route(path)
    }

    fn status(&self, kind: ErrorKind) -> u16 {
        kind.general_status()
    }

    fn error_body(&self, error: &ErrorBody<'_>) -> Vec<u8> {
        error::body(error)
    }

    fn classify(&self, status: u16, _headers: Headers<'_, '_>, body: Option<&[u8]>) -> Option<Class> {
        error::classify(status, body)
    }

    fn fault(&self, error: &ProviderError) -> Fault {
        error::fault(error)
    }

    fn framing(&self, operation: Operation, _events: bool) -> Shape {
        match operation {
            Operation::ChatCompletions | Operation::Completions => Shape::Data,
            _ => Shape::NumberedEvents,
        }
    }

    fn signature_code(&self) -> u8 {
        b'o'
    }

    fn wait_ms(&self, _body: Option<&[u8]>) -> Option<u64> {
        None
    }

    fn dimensions(&self) -> &'static [Dimension] {
        error::DIMENSIONS
    }

    fn select(&self) -> Select {
        answer::select
    }

    fn is_interesting(&self, payload: &[u8]) -> bool {
        answer::is_interesting(payload)
    }

    fn is_end_marker(&self, payload: &[u8]) -> bool {
        payload == b"[DONE]"
    }

    fn observe(&self, kept: &mut Kept, progress: &mut Progress) {
        answer::observe(kept, progress);
    }

    fn settle(&self, reported: &Reported) -> Usage {
        usage::settle(reported)
    }

    fn models(&self, names: &[&str], _query: &str) -> Result<Vec<u8>, InvalidParameter> {
        Ok(models::list(names))
    }

    fn model(&self, name: &str) -> Vec<u8> {
        models::one(name)
    }

    fn stored_ids(&self, operation: Operation, rest: &str, store: Option<bool>) -> Option<Places> {
        stored::ids(operation, rest, store)
    }

    fn place(&self, name: &[u8]) -> Place {
        stored::place(name)
    }

    fn headers(&self, side: Side) -> &'static [&'static str] {
        headers::allowed(side)
    }
}
