//! Gemini's protocol (the Developer API): `models/{model}:{method}`, under `/v1beta` and `/v1`.

use crate::classify::{Class, Fault, Headers};
use crate::dialect::Dialect;
use crate::endpoint::{Operation, Path, Route};
use crate::error::{ErrorBody, ErrorKind, Shape};
use crate::headers::Side;
use crate::json::walk::{Kept, Select};
use crate::models::InvalidParameter;
use crate::usage::{Progress, ProviderError, Reported, Usage};

pub(crate) mod generate;

mod answer;
pub(crate) mod embeddings;
mod endpoint;
mod error;
mod headers;
mod models;
mod usage;

pub(crate) struct Gemini;

impl Dialect for Gemini {
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

    fn framing(&self, _operation: Operation, events: bool) -> Shape {
        if events { Shape::Bare } else { Shape::Array }
    }

    fn signature_code(&self) -> u8 {
        b'g'
    }

    fn wait_ms(&self, _headers: Headers<'_, '_>, body: Option<&[u8]>) -> Option<u64> {
        body.and_then(error::retry_delay_ms)
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

    fn headers(&self, side: Side) -> &'static [&'static str] {
        headers::allowed(side)
    }
}
