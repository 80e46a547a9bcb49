//! What proxies are to be told of upstream keys, so that every replica tells its own.

use std::sync::LazyLock;

use sqlx::{AnyConnection, any::AnyRow};
use tollgate_shared::clock::UnixMicros;

use super::{Fields, StoreError, bulk::BulkInsert};
use crate::domain::key_health::{Hint, Verdict};

const TABLE: &str = "health_hints";

static UPSERT: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO health_hints (upstream_key_id, model, verdict, until, reason, origin, made_at, expires_at) VALUES",
        8,
        "ON CONFLICT (upstream_key_id, model) DO UPDATE SET verdict = excluded.verdict, until = excluded.until, \
         reason = excluded.reason, origin = excluded.origin, made_at = excluded.made_at, \
         expires_at = excluded.expires_at WHERE health_hints.made_at <= excluded.made_at",
    )
});

/// Writes hints, one at most for each key and model, ordered by these. A key that recovered as a whole takes away what
/// was said of its models before, but for cooling.
pub async fn upsert(connection: &mut AnyConnection, hints: &[Hint]) -> Result<(), StoreError> {
    for (text, group) in UPSERT.statements(connection, hints) {
        let mut query = sqlx::query(text);
        for Hint { upstream_key_id, model, verdict, until, reason, origin, made_at, expires_at } in group {
            query = query
                .bind(upstream_key_id.to_string())
                .bind(model.clone().unwrap_or_default())
                .bind(verdict.as_str())
                .bind(*until)
                .bind(reason.clone())
                .bind(origin.map(|id| id.to_string()))
                .bind(*made_at)
                .bind(*expires_at);
        }
        query.execute(&mut *connection).await?;
    }
    for hint in hints.iter().filter(|hint| hint.verdict == Verdict::Recovered && hint.model.is_none()) {
        sqlx::query(
            "DELETE FROM health_hints WHERE upstream_key_id = $1 AND model <> '' AND verdict <> 'cooling_until' \
             AND made_at <= $2",
        )
        .bind(hint.upstream_key_id.to_string())
        .bind(hint.made_at)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Those that still count.
pub async fn live(connection: &mut AnyConnection, now: UnixMicros) -> Result<Vec<Hint>, StoreError> {
    let rows = sqlx::query("SELECT * FROM health_hints WHERE expires_at > $1").bind(now).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Removes those that do not.
pub async fn prune(connection: &mut AnyConnection, now: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM health_hints WHERE expires_at <= $1").bind(now).execute(connection).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Hint, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(Hint {
        upstream_key_id: fields.parsed("upstream_key_id")?,
        model: Some(fields.text("model")?).filter(|model| !model.is_empty()),
        verdict: fields.parsed("verdict")?,
        until: fields.optional_integer("until")?,
        reason: fields.text("reason")?,
        origin: fields.optional_parsed("origin")?,
        made_at: fields.integer("made_at")?,
        expires_at: fields.integer("expires_at")?,
    })
}
