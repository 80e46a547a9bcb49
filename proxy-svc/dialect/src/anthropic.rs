//! Anthropic's protocol: messages, their batches and their token counts.

use crate::classify::{Class, Dimension, Fault, Headers};
use crate::dialect::Dialect;
use crate::endpoint::{Operation, Path, Route};
use crate::error::{ErrorBody, ErrorKind, Shape};
use crate::headers::Side;
use crate::json::walk::{Kept, Select};
use crate::models::InvalidParameter;
use crate::stored::{Place, Places};
use crate::usage::{Progress, ProviderError, Reported, Usage};

pub(crate) mod messages;

mod answer;
mod endpoint;
mod error;
mod headers;
mod models;
mod stored;
mod usage;

pub(crate) struct Anthropic;

impl Dialect for Anthropic {
    fn route(&self, path: &Path<'_>) -> Option<Route> {
        endpoint::route(path)
    }

    fn status(&self, kind: ErrorKind) -> u16 {
        error::status(kind)
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

    fn framing(&self, _operation: Operation, _events: bool) -> Shape {
        Shape::Events
    }

    fn signature_code(&self) -> u8 {
        b'a'
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

    fn is_end_marker(&self, _payload: &[u8]) -> bool {
        false
    }

    fn observe(&self, kept: &mut Kept, progress: &mut Progress) {
        answer::observe(kept, progress);
    }

    fn settle(&self, reported: &Reported) -> Usage {
        usage::settle(reported)
    }

    fn models(&self, names: &[&str], query: &str) -> Result<Vec<u8>, InvalidParameter> {
        models::list(names, query)
    }

    fn model(&self, name: &str) -> Vec<u8> {
        models::one(name)
    }

    fn stored_ids(&self, operation: Operation, rest: &str, _store: Option<bool>) -> Option<Places> {
        stored::ids(operation, rest)
    }

    fn place(&self, name: &[u8]) -> Place {
        stored::place(name)
    }

    fn headers(&self, side: Side) -> &'static [&'static str] {
        headers::allowed(side)
    }
}
