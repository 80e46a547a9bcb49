//! Answers to create calls, sealed, so that a repetition gets the same.

use tollgate_shared::{clock::UnixMicros, ids::UserId};

use super::{AnyConnection, Fields, StoreError};

const TABLE: &str = "idempotency_keys";

/// What a create call was answered.
#[derive(Clone, Debug)]
pub struct StoredAnswer {
    pub request_hash: String,
    pub status: u16,
    pub sealed_body: String,
}

pub async fn find(connection: &mut AnyConnection, user: UserId, key: &str) -> Result<Option<StoredAnswer>, StoreError> {
    let row = sqlx::query(
        "SELECT request_hash, status, sealed_body FROM idempotency_keys WHERE user_id = $1 AND idempotency_key = $2",
    )
    .bind(user.to_string())
    .bind(key)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let fields = Fields::new(TABLE, &row);
    Ok(Some(StoredAnswer {
        request_hash: fields.text("request_hash")?,
        status: fields.number("status")?,
        sealed_body: fields.text("sealed_body")?,
    }))
}

pub async fn insert(
    connection: &mut AnyConnection,
    user: UserId,
    key: &str,
    answer: &StoredAnswer,
    now: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, idempotency_key, request_hash, status, sealed_body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(user.to_string())
    .bind(key)
    .bind(&answer.request_hash)
    .bind(i64::from(answer.status))
    .bind(&answer.sealed_body)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets answers that are older than this.
pub async fn delete_before(connection: &mut AnyConnection, before: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1").bind(before).execute(connection).await?;
    Ok(())
}
