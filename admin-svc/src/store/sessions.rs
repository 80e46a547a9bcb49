//! Sessions. Only hashes of refresh tokens come here.

use sqlx::any::AnyRow;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{SessionId, UserId},
};

use super::{AnyConnection, Fields, StoreError};
use crate::domain::{session::Session, timestamp::Timestamp};

const TABLE: &str = "sessions";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, token_hash, previous_token_hash, created_at, expires_at, revoked_at FROM sessions ",
            $rest
        )
    };
}

pub async fn by_id(connection: &mut AnyConnection, id: SessionId) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// The session whose current or previous refresh token has this hash.
pub async fn by_token_hash(connection: &mut AnyConnection, hash: &str) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query(select!("WHERE token_hash = $1 OR previous_token_hash = $1"))
        .bind(hash)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(from_row).transpose()
}

pub async fn insert(connection: &mut AnyConnection, session: &Session) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, user_id, token_hash, previous_token_hash, created_at, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(session.id.to_string())
    .bind(session.user_id.to_string())
    .bind(&session.token_hash)
    .bind(session.previous_token_hash.as_deref())
    .bind(session.created_at.micros())
    .bind(session.expires_at.micros())
    .bind(session.revoked_at.map(Timestamp::micros))
    .execute(connection)
    .await?;
    Ok(())
}

/// A new refresh token; the current one becomes the previous one.
pub async fn rotate(connection: &mut AnyConnection, id: SessionId, token_hash: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET previous_token_hash = token_hash, token_hash = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(token_hash)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn revoke(connection: &mut AnyConnection, id: SessionId, now: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
        .bind(id.to_string())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn revoke_all_of(connection: &mut AnyConnection, user: UserId, now: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
        .bind(user.to_string())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets a user's sessions that ended before this time.
pub async fn delete_expired_of(
    connection: &mut AnyConnection,
    user: UserId,
    before: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND expires_at < $2")
        .bind(user.to_string())
        .bind(before)
        .execute(connection)
        .await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<Session, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(Session {
        id: fields.parsed("id")?,
        user_id: fields.parsed("user_id")?,
        token_hash: fields.text("token_hash")?,
        previous_token_hash: fields.optional_text("previous_token_hash")?,
        created_at: fields.timestamp("created_at")?,
        expires_at: fields.timestamp("expires_at")?,
        revoked_at: fields.optional_timestamp("revoked_at")?,
    })
}
