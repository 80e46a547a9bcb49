//! The audit log: rows are only ever added.

use sqlx::any::AnyRow;

use super::{AnyConnection, Fields, StoreError};
use crate::domain::{
    audit_event::AuditEvent,
    page::{Page, PageRequest},
};

const TABLE: &str = "audit_events";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, id, at, actor_id, actor, action, target_kind, target_id, before, after, address, \
             request_id, previous_hash, hash FROM audit_events ",
            $rest
        )
    };
}

/// Which events a list has; absent = all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub actor_id: Option<String>,
    /// From this time on, in microseconds.
    pub from: Option<i64>,
    /// Before this time, in microseconds.
    pub to: Option<i64>,
}

/// The newest event.
pub async fn last(connection: &mut AnyConnection) -> Result<Option<AuditEvent>, StoreError> {
    let row = sqlx::query(select!("ORDER BY sequence DESC LIMIT 1")).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// Newest first; the cursor is the sequence.
pub async fn page(
    connection: &mut AnyConnection,
    request: &PageRequest,
    filter: &AuditFilter,
) -> Result<Page<AuditEvent>, StoreError> {
    let before = request.after.as_deref().and_then(|after| after.parse::<i64>().ok()).unwrap_or(i64::MAX);
    let rows = sqlx::query(select!(
        "WHERE sequence < $1 AND ($2 IS NULL OR action = $2) AND ($3 IS NULL OR target_kind = $3) \
         AND ($4 IS NULL OR target_id = $4) AND ($5 IS NULL OR actor_id = $5) AND ($6 IS NULL OR at >= $6) \
         AND ($7 IS NULL OR at < $7) ORDER BY sequence DESC LIMIT $8"
    ))
    .bind(before)
    .bind(filter.action.as_deref())
    .bind(filter.target_kind.as_deref())
    .bind(filter.target_id.as_deref())
    .bind(filter.actor_id.as_deref())
    .bind(filter.from)
    .bind(filter.to)
    .bind(request.rows())
    .fetch_all(connection)
    .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |event: &AuditEvent| event.sequence.to_string()))
}

/// Events after a sequence, oldest first: how the chain is walked.
pub async fn following(
    connection: &mut AnyConnection,
    sequence: i64,
    limit: i64,
) -> Result<Vec<AuditEvent>, StoreError> {
    let rows = sqlx::query(select!("WHERE sequence > $1 ORDER BY sequence LIMIT $2"))
        .bind(sequence)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(from_row).collect()
}

pub async fn insert(connection: &mut AnyConnection, event: &AuditEvent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_events (sequence, id, at, actor_id, actor, action, target_kind, target_id, before, after, \
         address, request_id, previous_hash, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(event.sequence)
    .bind(event.id.to_string())
    .bind(event.at.micros())
    .bind(event.actor_id.map(|id| id.to_string()))
    .bind(&event.actor)
    .bind(&event.action)
    .bind(&event.target_kind)
    .bind(&event.target_id)
    .bind(event.before.as_deref().map(|document| document.get().to_owned()))
    .bind(event.after.as_deref().map(|document| document.get().to_owned()))
    .bind(&event.address)
    .bind(&event.request_id)
    .bind(&event.previous_hash)
    .bind(&event.hash)
    .execute(connection)
    .await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<AuditEvent, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(AuditEvent {
        sequence: fields.integer("sequence")?,
        id: fields.parsed("id")?,
        at: fields.timestamp("at")?,
        actor_id: fields.optional_parsed("actor_id")?,
        actor: fields.text("actor")?,
        action: fields.text("action")?,
        target_kind: fields.text("target_kind")?,
        target_id: fields.text("target_id")?,
        before: fields.optional_document("before")?,
        after: fields.optional_document("after")?,
        address: fields.text("address")?,
        request_id: fields.text("request_id")?,
        previous_hash: fields.text("previous_hash")?,
        hash: fields.text("hash")?,
    })
}
