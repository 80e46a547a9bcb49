//! Key pools.

use sqlx::any::AnyRow;
use tollgate_shared::ids::{KeyPoolId, ProviderId};

use super::{AnyConnection, Fields, StoreError};
use crate::domain::{
    key_pool::{KeyPool, KeyPoolSpec},
    page::{Page, PageRequest},
};

const TABLE: &str = "key_pools";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, name, provider_id, created_at, updated_at, version FROM key_pools ", $rest)
    };
}

pub async fn all(connection: &mut AnyConnection) -> Result<Vec<KeyPool>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id")).fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

/// `provider`: only this provider's pools.
pub async fn page(
    connection: &mut AnyConnection,
    request: &PageRequest,
    provider: Option<ProviderId>,
) -> Result<Page<KeyPool>, StoreError> {
    let rows = sqlx::query(select!("WHERE id > $1 AND ($2 IS NULL OR provider_id = $2) ORDER BY id LIMIT $3"))
        .bind(request.after_id())
        .bind(provider.map(|id| id.to_string()))
        .bind(request.rows())
        .fetch_all(connection)
        .await?;
    let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    Ok(Page::new(items, request, |pool: &KeyPool| pool.id.to_string()))
}

pub async fn by_id(connection: &mut AnyConnection, id: KeyPoolId) -> Result<Option<KeyPool>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(from_row).transpose()
}

/// The pools of a provider, by name.
pub async fn names_of_provider(connection: &mut AnyConnection, id: ProviderId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT name FROM key_pools WHERE provider_id = $1 ORDER BY name")
        .bind(id.to_string())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Fields::new(TABLE, row).text("name")).collect()
}

pub async fn insert(connection: &mut AnyConnection, pool: &KeyPool) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO key_pools (id, name, provider_id, created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(pool.id.to_string())
    .bind(&pool.spec.name)
    .bind(pool.spec.provider_id.to_string())
    .bind(pool.stamp.created_at.micros())
    .bind(pool.stamp.updated_at.micros())
    .bind(pool.stamp.version)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn update(connection: &mut AnyConnection, pool: &KeyPool) -> Result<(), StoreError> {
    sqlx::query("UPDATE key_pools SET name = $2, provider_id = $3, updated_at = $4, version = $5 WHERE id = $1")
        .bind(pool.id.to_string())
        .bind(&pool.spec.name)
        .bind(pool.spec.provider_id.to_string())
        .bind(pool.stamp.updated_at.micros())
        .bind(pool.stamp.version)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn delete(connection: &mut AnyConnection, id: KeyPoolId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM key_pools WHERE id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}

fn from_row(row: &AnyRow) -> Result<KeyPool, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(KeyPool {
        id: fields.parsed("id")?,
        spec: KeyPoolSpec { name: fields.text("name")?, provider_id: fields.parsed("provider_id")? },
        stamp: fields.stamp()?,
    })
}
