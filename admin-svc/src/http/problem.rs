//! Every refusal of the API, as RFC 9457 `application/problem+json`. The one place that knows which error is which status.
//!
//! A [`Problem`] becomes an answer without a body that carries the problem along; [`super::frame`] writes the body,
//! because only there the path and the request's id are known.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{
    app::{AppError, InternalError},
    domain::validation::{FieldError, Invalid},
};

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

    /// 400: not even readable.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
    }

    /// 400: query parameters.
    pub fn bad_query(invalid: Invalid) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", "Invalid query", "A query parameter is invalid.")
            .with_errors(invalid.0)
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

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let detail = "Some fields are invalid.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation", "Invalid fields", detail).with_errors(invalid.0)
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::NotFound(kind) => Self::not_found(format!("There is no such {kind}.")),
            AppError::Invalid(invalid) => invalid.into(),
            AppError::Taken { field } => {
                let errors = Invalid::field(field, "is taken by another one").0;
                conflict("taken", "Already exists", "Another one has the same value.").with_errors(errors)
            }
            AppError::InUse(by) => conflict("in-use", "Still in use", format!("It is still used by {by}.")),
            AppError::Conflict(detail) => conflict("conflict", "Conflict", detail),
            AppError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "Changed in the meantime",
                "The resource has changed since it was read; read it again.",
            ),
            AppError::Unauthenticated(detail) => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in", detail)
            }
            AppError::Forbidden(detail) => forbidden("forbidden", "Forbidden", detail),
            AppError::RegistrationClosed => {
                forbidden("registration-closed", "Registration is closed", "Ask an administrator for an account.")
            }
            AppError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "Idempotency key reused",
                "This `Idempotency-Key` was used for another request.",
            ),
            AppError::Throttled { retry_after_seconds } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too many attempts", "Wait before trying again.")
                    .with_retry_after(retry_after_seconds)
            }
            AppError::Upstream(cause) => {
                let title = "The provider did not answer as it should";
                Self::new(StatusCode::BAD_GATEWAY, "upstream", title, cause.to_string())
            }
            AppError::Unavailable(cause) => unavailable(&cause),
            AppError::Internal(cause) => internal(&cause),
        }
    }
}

fn conflict(slug: &'static str, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::CONFLICT, slug, title, detail)
}

fn forbidden(slug: &'static str, title: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, slug, title, detail)
}

fn unavailable(cause: &InternalError) -> Problem {
    tracing::warn!(error = %cause, "request refused");
    let detail = "The service is too busy or cannot reach its database; try again.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail).with_retry_after(1)
}

/// The one place where an internal failure of a request is logged.
fn internal(cause: &InternalError) -> Problem {
    tracing::error!(error = %cause, "request failed");
    Problem::internal()
}

/// A bug of ours; the caller gets an answer all the same. The panic hook has logged it.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal().into_response()
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
