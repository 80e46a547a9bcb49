//! When providers are to be asked for their lists of models.

use sqlx::AnyConnection;
use tollgate_shared::{clock::UnixMicros, ids::ProviderId};

use super::{Fields, StoreError};
use crate::domain::model_refresh::ModelRefresh;

const TABLE: &str = "model_refreshes";

/// Those that are due, of the providers that can be asked: with an active key, and never asked, or due again, or failing
/// while one of their keys is newer than the last failure.
pub async fn due(connection: &mut AnyConnection, now: UnixMicros) -> Result<Vec<ModelRefresh>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.id AS provider_id, r.due_at AS due_at, r.failures AS failures FROM providers p \
         LEFT JOIN model_refreshes r ON r.provider_id = p.id \
         WHERE EXISTS (SELECT 1 FROM upstream_keys k JOIN key_pools o ON o.id = k.pool_id \
             WHERE o.provider_id = p.id AND k.status = 'active' \
             AND (r.due_at IS NULL OR r.due_at <= $1 OR (r.failures > 0 AND k.updated_at > r.tried_at))) \
         ORDER BY p.id",
    )
    .bind(now)
    .fetch_all(connection)
    .await?;
    let refresh = |row| {
        let fields = Fields::new(TABLE, row);
        let failures = fields.optional_integer("failures")?.unwrap_or_default();
        Ok(ModelRefresh {
            provider_id: fields.parsed("provider_id")?,
            due_at: fields.optional_integer("due_at")?,
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
        })
    };
    rows.iter().map(refresh).collect()
}

/// Puts a due one off, unless somebody else did so first; whether this was the first.
pub async fn claim(
    connection: &mut AnyConnection,
    refresh: &ModelRefresh,
    now: UnixMicros,
    until: UnixMicros,
) -> Result<bool, StoreError> {
    let query = match refresh.due_at {
        None => sqlx::query(
            "INSERT INTO model_refreshes (provider_id, tried_at, due_at, failures) VALUES ($1, $2, $3, 0) \
             ON CONFLICT (provider_id) DO NOTHING",
        ),
        Some(_) => {
            sqlx::query("UPDATE model_refreshes SET tried_at = $2, due_at = $3 WHERE provider_id = $1 AND due_at = $4")
        }
    };
    let query = query.bind(refresh.provider_id.to_string()).bind(now).bind(until);
    let query = match refresh.due_at {
        None => query,
        Some(seen) => query.bind(seen),
    };
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Notes how it went, and when it is due again.
pub async fn settle(
    connection: &mut AnyConnection,
    id: ProviderId,
    failures: u32,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE model_refreshes SET failures = $2, due_at = $3 WHERE provider_id = $1")
        .bind(id.to_string())
        .bind(i64::from(failures))
        .bind(due_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// As if the provider had never been asked.
pub async fn forget(connection: &mut AnyConnection, id: ProviderId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM model_refreshes WHERE provider_id = $1").bind(id.to_string()).execute(connection).await?;
    Ok(())
}
