//! Values that the control plane made itself and keeps sealed.

use sqlx::{AnyConnection, Row};
use tollgate_shared::clock::UnixMicros;

use super::StoreError;

pub async fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<String>, StoreError> {
    let row =
        sqlx::query("SELECT sealed FROM sealed_settings WHERE name = $1").bind(name).fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get("sealed")).transpose()?)
}

pub async fn insert(
    connection: &mut AnyConnection,
    name: &str,
    sealed: &str,
    now: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO sealed_settings (name, sealed, created_at) VALUES ($1, $2, $3)")
        .bind(name)
        .bind(sealed)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// When it was made, and its sealed value.
pub async fn find_made(connection: &mut AnyConnection, name: &str) -> Result<Option<(UnixMicros, String)>, StoreError> {
    let row = sqlx::query("SELECT created_at, sealed FROM sealed_settings WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.try_get("created_at")?, row.try_get("sealed")?))).transpose()
}

/// A new value, whether or not there is one already.
pub async fn put(connection: &mut AnyConnection, name: &str, sealed: &str, now: UnixMicros) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sealed_settings (name, sealed, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at",
    )
    .bind(name)
    .bind(sealed)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Name and sealed value of every setting; for the rotation of the master key.
pub async fn all(connection: &mut AnyConnection) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("SELECT name, sealed FROM sealed_settings ORDER BY name").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("sealed")?))).collect()
}

pub async fn replace(connection: &mut AnyConnection, name: &str, sealed: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_settings SET sealed = $2 WHERE name = $1")
        .bind(name)
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(())
}
