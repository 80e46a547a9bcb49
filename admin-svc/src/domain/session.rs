//! A log-in and its chain of rotated refresh tokens.

use tollgate_shared::ids::{SessionId, UserId};

use super::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// SHA-256 of the current refresh token.
    pub token_hash: String,
    /// SHA-256 of the one before; whoever presents it has an old copy.
    pub previous_token_hash: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}
