//! Why a use case was refused or failed. Which status that is over HTTP is `http::problem`'s business.

use tollgate_shared::access_key;

use crate::{
    crypto::{NoRandomness, envelope::SealError, password::PasswordError, token::TokenError},
    domain::validation::Invalid,
    store::StoreError,
    upstream::UpstreamError,
};

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another resource has the value already.
    #[error("{field} is taken")]
    Taken { field: String },
    /// Other resources would point to nothing.
    #[error("it is still used by {0}")]
    InUse(String),
    #[error("{0}")]
    Conflict(&'static str),
    /// The resource is not at the version that the caller saw.
    #[error("the resource has changed since it was read")]
    Stale,
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("registration is closed")]
    RegistrationClosed,
    /// The same `Idempotency-Key` with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("too many failed attempts")]
    Throttled { retry_after_seconds: u64 },
    /// Too much at the same time, or the database does not answer; trying again may help.
    #[error("not available at the moment: {0}")]
    Unavailable(InternalError),
    #[error(transparent)]
    Upstream(UpstreamError),
    #[error(transparent)]
    Internal(InternalError),
}

/// The caller can do nothing about these, and is not told which it was.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Password(PasswordError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("rendering: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate { field } => Self::Taken { field },
            StoreError::Reference => Self::InUse("another resource".to_owned()),
            StoreError::Unavailable(_) => Self::Unavailable(InternalError::Store(error)),
            other => Self::Internal(InternalError::Store(other)),
        }
    }
}

impl From<PasswordError> for AppError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Unavailable(InternalError::Password(error)),
            PasswordError::Hash(_) => Self::Internal(InternalError::Password(error)),
        }
    }
}

macro_rules! internal {
    ($($cause:ty),+) => {$(
        impl From<$cause> for AppError {
            fn from(error: $cause) -> Self {
                Self::Internal(InternalError::from(error))
            }
        }
    )+};
}

internal!(SealError, TokenError, NoRandomness, serde_json::Error);

impl From<access_key::NoRandomness> for AppError {
    fn from(_: access_key::NoRandomness) -> Self {
        NoRandomness.into()
    }
}
