//! The revision and what each revision touched. Written only through `WriteTx::record_change`.

use sqlx::{AnyConnection, Row};

use super::StoreError;
use crate::domain::change::ResourceKind;

/// How many revisions a proxy may be behind and still get a delta.
const KEPT_REVISIONS: i64 = 10_000;

/// Bumps the revision. Its row stays locked until the transaction ends, so revisions commit in their order.
pub(super) async fn next_revision(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("UPDATE configuration SET revision = revision + 1 WHERE id = 1 RETURNING revision")
        .fetch_one(&mut *connection)
        .await?;
    let revision = row.try_get("revision")?;
    sqlx::query("DELETE FROM configuration_changes WHERE revision <= $1")
        .bind(revision - KEPT_REVISIONS)
        .execute(connection)
        .await?;
    Ok(revision)
}

pub(super) async fn insert(
    connection: &mut AnyConnection,
    revision: i64,
    kind: ResourceKind,
    id: &str,
    deleted: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO configuration_changes (revision, kind, resource_id, deleted) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (revision, kind, resource_id) DO UPDATE SET deleted = excluded.deleted",
    )
    .bind(revision)
    .bind(kind.as_str())
    .bind(id)
    .bind(i64::from(deleted))
    .execute(connection)
    .await?;
    Ok(())
}
