//! A caller's condition on a resource's version (`If-Match`).

use super::AppError;
use crate::domain::stamp::Stamp;

/// What the caller believes the resource's version to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The caller did not say.
    None,
    Version(i64),
    /// An ETag that no version of ours has.
    Unsatisfiable,
}

impl Precondition {
    pub(super) fn check(self, stamp: Stamp) -> Result<(), AppError> {
        match self {
            Self::None => Ok(()),
            Self::Version(version) if version == stamp.version => Ok(()),
            Self::Version(_) | Self::Unsatisfiable => Err(AppError::Stale),
        }
    }
}
