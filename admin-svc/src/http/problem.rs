//! Every refusal of the API, as RFC 9457 `application/problem+json`. The one place that knows which error is which status.
//!
//! A [`Problem`] becomes an answer without a body that carries the problem along; [`super::frame`] writes the body,
//! because only there the path and the request's id are known.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// What was wrong with one field. `field` is a path such as `routes[0].targets[1].pool_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// Last part of the problem's type, e.g. `validation`.
    pub slug: &'static str,
    pub title: &'static str,
    pub detail: Cow<'static, str>,
    pub errors: Vec<FieldError>,
    /// Seconds after which trying again may help.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, slug, title, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub fn internal() -> Self {
        let detail = "The server failed; the request's id finds the reason in its log.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// The problem for an answer that some layer made without one.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Refused");
        Self::new(status, "http", title, title)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) async fn unknown_path() -> Problem {
    Problem::not_found("There is nothing at this path.")
}

pub(super) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Method not allowed",
        "This path does not take this method.",
    )
}
