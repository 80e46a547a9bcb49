//! Which protocol and which operation a method and a path mean.
//!
//! Paths are matched as they are written. A path that another server could read in another way (escapes, empty or
//! dot segments) is refused, so that what is checked here is what the upstream will see.

use std::ops::Range;

use crate::Protocol;
use crate::error::ErrorKind;

mod operation;
mod path;
pub mod query;

pub use operation::Operation;
pub(crate) use path::{Path, Version};

/// What a request's body is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    None,
    Json,
    /// `multipart/form-data`.
    Multipart,
    /// Passed on unread.
    Other,
}

/// A recognised request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint<'p> {
    /// The protocol that the caller speaks.
    pub protocol: Protocol,
    pub operation: Operation,
    /// `/v1` or `/v1beta`.
    pub version_prefix: &'p str,
    /// The path behind the prefix, with its leading slash.
    pub rest: &'p str,
    /// Where in the path the model's name stands, as a caller would write it elsewhere: `gemini-3-pro`, but
    /// `tunedModels/x`.
    pub model_in_path: Option<Range<usize>>,
    /// Where in the path the id of a stored object (file, batch, response, completion) stands: it belongs to the
    /// upstream key that made it.
    pub resource_id: Option<Range<usize>>,
    pub body: BodyKind,
    /// A model is named in the path or may be named in the body.
    pub has_model: bool,
    /// A request without a model is at fault; where it is false, the provider has a default.
    pub model_required: bool,
}

/// What is offered at a path for one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) method: &'static str,
    pub(crate) operation: Operation,
    pub(crate) body: BodyKind,
    pub(crate) model: Model,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    None,
    Path,
    Required,
    Optional,
}

impl Offer {
    pub(crate) const fn get(operation: Operation) -> Self {
        Self { method: "GET", operation, body: BodyKind::None, model: Model::None }
    }

    pub(crate) const fn delete(operation: Operation) -> Self {
        Self { method: "DELETE", operation, body: BodyKind::None, model: Model::None }
    }

    pub(crate) const fn post(operation: Operation, body: BodyKind, model: Model) -> Self {
        Self { method: "POST", operation, body, model }
    }
}

/// What a dialect has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) offers: &'static [Offer],
    pub(crate) model: Option<Range<usize>>,
    pub(crate) resource: Option<Range<usize>>,
}

impl Route {
    pub(crate) const fn fixed(offers: &'static [Offer]) -> Self {
        Self { offers, model: None, resource: None }
    }

    pub(crate) const fn resource(offers: &'static [Offer], id: Range<usize>) -> Self {
        Self { offers, model: None, resource: Some(id) }
    }

    pub(crate) const fn model(offers: &'static [Offer], name: Range<usize>) -> Self {
        Self { offers, model: Some(name), resource: None }
    }
}

/// Why a request line is refused. `protocol` is the one whose error shape the caller most likely reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    #[error("the path is not acceptable: {what}")]
    BadPath { protocol: Protocol, what: &'static str },
    #[error("there is nothing at this path")]
    UnknownPath { protocol: Protocol },
    #[error("this method is not allowed here")]
    MethodNotAllowed { protocol: Protocol, allowed: Allowed },
}

impl Unrecognised {
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::BadPath { protocol, .. }
            | Self::UnknownPath { protocol }
            | Self::MethodNotAllowed { protocol, .. } => *protocol,
        }
    }

    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BadPath { .. } => ErrorKind::InvalidRequest,
            Self::UnknownPath { .. } => ErrorKind::NotFound,
            Self::MethodNotAllowed { .. } => ErrorKind::MethodNotAllowed,
        }
    }
}

/// The methods that a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed(&'static [Offer]);

impl Allowed {
    pub fn methods(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|offer| offer.method)
    }

    /// The value of an `allow` header.
    pub fn header_value(self) -> String {
        self.methods().collect::<Vec<_>>().join(", ")
    }
}

/// Recognises a request by its method, its path (without the query) and the presence of headers (asked for by their
/// lower-case names).
pub fn recognise<'p>(method: &str, path: &'p str, header: impl Fn(&str) -> bool) -> Result<Endpoint<'p>, Unrecognised> {
    let speaks = spoken(&header);
    let parsed = Path::parse(path)
        .map_err(|what| Unrecognised::BadPath { protocol: speaks.unwrap_or_else(|| guess(path)), what })?;
    let mut refused = None;
    for protocol in speaks.into_iter().chain(Protocol::ALL.into_iter().filter(|other| speaks != Some(*other))) {
        let Some(route) = protocol.dialect().route(&parsed) else { continue };
        if let Some(offer) = route.offers.iter().find(|offer| offer.method == method) {
            return Ok(endpoint(protocol, offer, &route, &parsed));
        }
        refused = refused.or(Some(Unrecognised::MethodNotAllowed { protocol, allowed: Allowed(route.offers) }));
    }
    // No other protocol posts to a model's method: an unknown one is Gemini's.
    if method == "POST" && names_method(path) {
        refused = None;
    }
    Err(refused.unwrap_or_else(|| Unrecognised::UnknownPath { protocol: speaks.unwrap_or_else(|| guess(path)) }))
}

/// The protocol whose error shape a caller most likely reads, from what [`recognise`] goes by.
pub fn protocol(method: &str, path: &str, header: impl Fn(&str) -> bool) -> Protocol {
    recognise(method, path, header).map_or_else(|unrecognised| unrecognised.protocol(), |endpoint| endpoint.protocol)
}

fn endpoint<'p>(protocol: Protocol, offer: &Offer, route: &Route, path: &Path<'p>) -> Endpoint<'p> {
    Endpoint {
        protocol,
        operation: offer.operation,
        version_prefix: path.version_prefix,
        rest: path.rest,
        model_in_path: route.model.clone(),
        resource_id: route.resource.clone(),
        body: offer.body,
        has_model: offer.model != Model::None,
        model_required: matches!(offer.model, Model::Path | Model::Required),
    }
}

/// The protocol that the caller's headers show. The paths that several protocols have go by this.
fn spoken(header: &impl Fn(&str) -> bool) -> Option<Protocol> {
    if header("x-goog-api-key") || header("x-goog-api-client") {
        Some(Protocol::Gemini)
    } else if header("anthropic-version") {
        Some(Protocol::Anthropic)
    } else {
        None
    }
}

/// The protocol that a path which nobody serves looks like.
fn guess(path: &str) -> Protocol {
    if path.starts_with("/v1beta/") || path.starts_with("/v1/tunedModels/") || names_method(path) {
        Protocol::Gemini
    } else if path.starts_with("/v1/messages") {
        Protocol::Anthropic
    } else {
        Protocol::OpenAi
    }
}

fn names_method(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

#[cfg(test)]
mod tests;
