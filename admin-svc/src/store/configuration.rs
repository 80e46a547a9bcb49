//! The configuration's head and change log, for the publisher. Both are written through `WriteTx::record_change`.

use sqlx::{AnyConnection, Row};

use super::StoreError;
use crate::{
    domain::published::ResourceKey,
    publish::{Change, Head},
};

pub async fn head(connection: &mut AnyConnection) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT epoch, revision FROM configuration WHERE id = 1").fetch_one(connection).await?;
    let epoch: String = row.try_get("epoch")?;
    Ok(Head { epoch: epoch.into(), revision: revision(row.try_get("revision")?)? })
}

/// What came after a revision, oldest first.
pub async fn changes_since(connection: &mut AnyConnection, after: u64) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT revision, kind, resource_id FROM configuration_changes WHERE revision > $1 \
         ORDER BY revision, kind, resource_id",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let change = |row: &sqlx::any::AnyRow| {
        let kind: String = row.try_get("kind")?;
        let kind = kind.parse().map_err(|_| corrupt("kind", "not a kind of resource"))?;
        let key = ResourceKey { kind, id: row.try_get("resource_id")? };
        Ok(Change { revision: revision(row.try_get("revision")?)?, key })
    };
    rows.iter().map(change).collect()
}

/// The oldest revision that the change log still has; absent when it is empty.
pub async fn oldest_change(connection: &mut AnyConnection) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query("SELECT MIN(revision) AS oldest FROM configuration_changes").fetch_one(connection).await?;
    let oldest: Option<i64> = row.try_get("oldest")?;
    oldest.map(revision).transpose()
}

fn revision(revision: i64) -> Result<u64, StoreError> {
    u64::try_from(revision).map_err(|_| corrupt("revision", "below zero"))
}

fn corrupt(column: &str, message: &str) -> StoreError {
    StoreError::Corrupt { table: "configuration", column: column.to_owned(), message: message.to_owned() }
}
