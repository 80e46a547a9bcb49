//! Gemini's protocol (the Developer API): `models/{model}:{method}`, under `/v1beta` and `/v1`.

use crate::classify::{Class, Dimension, Fault, Headers};
use crate::dialect::Dialect;
use crate::endpoint::{Operation, Path, Route};
use crate::error::{ErrorBody, ErrorKind, Shape};
use crate::headers::Side;
use crate::json::walk::{Kept, Select};
use crate::models::InvalidParameter;
use crate::stored::{Place, Places};
use crate::translate::Rejected;
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

    fn wait_ms(&self, body: Option<&[u8]>) -> Option<u64> {
        body.and_then(error::retry_delay_ms)
    }

    fn dimensions(&self) -> &'static [Dimension] {
        &[]
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

    /// None of its operations that are offered stores anything.
    fn stored_ids(&self, _operation: Operation, _rest: &str, _store: Option<bool>) -> Option<Places> {
        None
    }

    fn place(&self, _name: &[u8]) -> Place {
        Place::Other
    }

    fn headers(&self, side: Side) -> &'static [&'static str] {
        headers::allowed(side)
    }
}

/// The model stands in the path: a name that another server could read as more than one segment, as a method, or as a
/// query is refused.
pub(crate) fn check_model(model: &str) -> Result<(), Rejected> {
    let name =
        ["models/", "tunedModels/"].iter().find_map(|collection| model.strip_prefix(collection)).unwrap_or(model);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    if name.bytes().all(allowed) && name.bytes().any(|byte| byte != b'.') {
        return Ok(());
    }
    Err(Rejected::new("model", "`model` is no name that this model's provider can have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_leads_nowhere_else() {
        for good in ["gemini-2.5-pro", "models/gemini-3-pro", "tunedModels/mine-1", "a@b_c"] {
            assert!(check_model(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "models/", "a/b", "models/../x", "x:countTokens?y=", "x?y", "x#y", "x y", "x%2fy", "x\ny"]
        {
            assert_eq!(check_model(bad).unwrap_err().param, "model", "{bad}");
        }
    }
}
