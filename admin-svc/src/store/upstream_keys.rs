//! Upstream keys. Their secrets are sealed before they come here.

use sqlx::any::AnyRow;
use tollgate_shared::ids::{KeyPoolId, ProviderId, UpstreamKeyId};

use super::{AnyConnection, Fields, StoreError, fields::to_document};
use crate::domain::{
    page::{Page, PageRequest},
    upstream_key::{UpstreamKey, UpstreamKeySpec},
};

const TABLE: &str = "upstream_keys";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, pool_id, name, sealed_secret, secret_digest, fingerprint, weight, priority, limits, quota_group, \
             status, created_at, updated_at, version FROM upstream_keys ",
            $rest
        )
    };
}

pub async fn all(connection: &mut AnyConnection) -> Result<Vec<UpstreamKey>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

/// `pool`: only this pool's keys.
pub async fn page(
    connection: &mut AnyConnection,
    request: &PageRequest,
    pool: Option<KeyPoolId>,
) -> Result<Page<UpstreamKey>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 AND ($2 IS NULL OR pool_id = $2) ORDER BY id LIMIT $3"))
        .bind(request.after_id())
        .bind(pool.map(|id| id.to_string()))
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |key: &UpstreamKey| key.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: UpstreamKeyId) -> Result<Option<UpstreamKey>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// The key of a pool that has the same secret.
pub async fn by_digest(
    connection: &mut AnyConnection,
    pool: KeyPoolId,
    digest: &str,
) -> Result<Option<UpstreamKey>, StoreError> {
    let row = sqlx::query(select!("WHERE pool_id = $1 AND secret_digest = $2"))
        .bind(pool.to_string())
        .bind(digest)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// A provider's active keys, those that are tried first first.
pub async fn active_of_provider(
    connection: &mut AnyConnection,
    id: ProviderId,
) -> Result<Vec<UpstreamKey>, StoreError> {
    let rows = sqlx::query(select!(
        "WHERE status = 'active' AND pool_id IN (SELECT id FROM key_pools WHERE provider_id = $1) ORDER BY priority, id"
    ))
    .bind(id.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter().map(from_row).collect()
}

/// The keys of a pool, by name.
pub async fn names_of_pool(connection: &mut AnyConnection, id: KeyPoolId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT name FROM upstream_keys WHERE pool_id = $1 ORDER BY name")
        .bind(id.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Fields::new(TABLE, row).text("name")).collect()
}

pub async fn insert(connection: &mut AnyConnection, key: &UpstreamKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO upstream_keys (id, pool_id, name, sealed_secret, secret_digest, fingerprint, weight, priority, \
         limits, quota_group, status, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(key.id.to_string())
    .bind(key.spec.pool_id.to_string())
    .bind(&key.spec.name)
    .bind(&key.sealed_secret)
    .bind(&key.secret_digest)
    .bind(&key.fingerprint)
    .bind(i64::from(key.spec.weight))
    .bind(i64::from(key.spec.priority))
    .bind(to_document(TABLE, "limits", &key.spec.limits)?)
    .bind(key.spec.quota_group.as_deref())
    .bind(key.spec.status.as_str())
    .bind(key.stamp.created_at.micros())
    .bind(key.stamp.updated_at.micros())
    .bind(key.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, key: &UpstreamKey) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE upstream_keys SET pool_id = $2, name = $3, sealed_secret = $4, secret_digest = $5, fingerprint = $6, \
         weight = $7, priority = $8, limits = $9, quota_group = $10, status = $11, updated_at = $12, version = $13 \
         WHERE id = $1",
    )
    .bind(key.id.to_string())
    .bind(key.spec.pool_id.to_string())
    .bind(&key.spec.name)
    .bind(&key.sealed_secret)
    .bind(&key.secret_digest)
    .bind(&key.fingerprint)
    .bind(i64::from(key.spec.weight))
    .bind(i64::from(key.spec.priority))
    .bind(to_document(TABLE, "limits", &key.spec.limits)?)
    .bind(key.spec.quota_group.as_deref())
    .bind(key.spec.status.as_str())
    .bind(key.stamp.updated_at.micros())
    .bind(key.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

/// The same secret under another master key: no change that anybody needs to hear of.
pub async fn replace_sealed_secret(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    sealed_secret: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE upstream_keys SET sealed_secret = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(sealed_secret)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: UpstreamKeyId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM upstream_keys WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<UpstreamKey, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(UpstreamKey {
        id: fields.parsed("id")?,
        spec: UpstreamKeySpec {
            pool_id: fields.parsed("pool_id")?,
            name: fields.text("name")?,
            weight: fields.number("weight")?,
            priority: fields.number("priority")?,
            limits: fields.document("limits")?,
            quota_group: fields.optional_text("quota_group")?,
            status: fields.parsed("status")?,
        },
        fingerprint: fields.text("fingerprint")?,
        stamp: fields.stamp()?,
        sealed_secret: fields.text("sealed_secret")?,
        secret_digest: fields.text("secret_digest")?,
    })
}
