//! What each replica's proxies say of upstream keys.

use std::{collections::HashMap, sync::LazyLock};

use sqlx::{AnyConnection, any::AnyRow};
use tollgate_shared::{clock::UnixMicros, ids::UpstreamKeyId};

use super::{Fields, StoreError, bulk::BulkInsert, conditions::Conditions, fields::to_document};
use crate::domain::{
    key_health::{KeyView, ReplicaView},
    key_probe::{Found, KeyProbe},
    page::PageRequest,
    status::Status,
};

const TABLE: &str = "key_health";
/// A replica that is dead leaves rows; they are shown no longer than this, and removed later.
pub const SILENT_AFTER_US: i64 = 15 * 1_000_000;

static UPSERT: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO key_health (upstream_key_id, replica_id, seen_at, document) VALUES",
        4,
        "ON CONFLICT (upstream_key_id, replica_id) DO UPDATE SET seen_at = excluded.seen_at, \
         document = excluded.document",
    )
});

/// An upstream key, as far as its health needs it.
#[derive(Clone, Debug)]
pub struct KeyRow {
    pub id: UpstreamKeyId,
    pub pool_id: String,
    pub provider_id: String,
    pub name: String,
    pub status: Status,
    pub probe: Option<KeyProbe>,
}

/// Which keys are wanted.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    pub pool_id: Option<String>,
    pub provider_id: Option<String>,
}

macro_rules! select_keys {
    () => {
        "SELECT k.id AS id, k.pool_id AS pool_id, o.provider_id AS provider_id, k.name AS name, k.status AS status, \
         p.due_at AS due_at, p.probed_at AS probed_at, p.outcome AS outcome, p.detail AS detail, \
         p.latency_ms AS latency_ms, p.reached_at AS reached_at FROM upstream_keys k \
         JOIN key_pools o ON o.id = k.pool_id LEFT JOIN key_probes p ON p.upstream_key_id = k.id"
    };
}

/// Keys in the order of their ids, after one, with their probes.
pub async fn keys(
    connection: &mut AnyConnection,
    filter: &KeyFilter,
    request: &PageRequest,
) -> Result<Vec<KeyRow>, StoreError> {
    let mut conditions = Conditions::new(select_keys!());
    conditions.text("k.id > ", request.after_id());
    if let Some(pool) = &filter.pool_id {
        conditions.text("k.pool_id = ", pool.as_str());
    }
    if let Some(provider) = &filter.provider_id {
        conditions.text("o.provider_id = ", provider.as_str());
    }
    conditions.end(" ORDER BY k.id");
    conditions.limit(request.rows());
    let rows = conditions.into_query().fetch_all(connection).await?;
    rows.iter().map(key).collect()
}

pub async fn key_by_id(connection: &mut AnyConnection, id: UpstreamKeyId) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query(concat!(select_keys!(), " WHERE k.id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(key).transpose()
}

/// What all live replicas say of the keys from one id to another, both included.
pub async fn views(
    connection: &mut AnyConnection,
    (first, last): (UpstreamKeyId, UpstreamKeyId),
    now: UnixMicros,
) -> Result<HashMap<UpstreamKeyId, KeyView>, StoreError> {
    let rows = sqlx::query(
        "SELECT upstream_key_id, document FROM key_health \
         WHERE upstream_key_id >= $1 AND upstream_key_id <= $2 AND seen_at > $3",
    )
    .bind(first.to_string())
    .bind(last.to_string())
    .bind(now.saturating_sub(SILENT_AFTER_US))
    .fetch_all(connection)
    .await?;
    let mut views: HashMap<UpstreamKeyId, Vec<ReplicaView>> = HashMap::new();
    for row in &rows {
        let fields = Fields::new(TABLE, row);
        views.entry(fields.parsed("upstream_key_id")?).or_default().push(fields.document("document")?);
    }
    Ok(views.into_iter().map(|(id, views)| (id, views.into_iter().collect())).collect())
}

/// Writes what a replica's proxies say. `rows` must be ordered by id.
pub async fn upsert(
    connection: &mut AnyConnection,
    replica: &str,
    now: UnixMicros,
    rows: &[(UpstreamKeyId, ReplicaView)],
) -> Result<(), StoreError> {
    for (text, group) in UPSERT.statements(connection, rows) {
        let mut query = sqlx::query(text);
        for (id, view) in group {
            query = query
                .bind(id.to_string())
                .bind(replica.to_owned())
                .bind(now)
                .bind(to_document(TABLE, "document", view)?);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes what nobody has renewed for a while.
pub async fn prune(connection: &mut AnyConnection, before: UnixMicros) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM key_health WHERE seen_at < $1").bind(before).execute(connection).await?;
    Ok(())
}

fn key(row: &AnyRow) -> Result<KeyRow, StoreError> {
    let fields = Fields::new("upstream_keys", row);
    let probe = match fields.optional_integer("due_at")? {
        None => None,
        Some(due_at) => {
            Some(KeyProbe { due_at, found: found(fields)?, reached_at: fields.optional_integer("reached_at")? })
        }
    };
    Ok(KeyRow {
        id: fields.parsed("id")?,
        pool_id: fields.text("pool_id")?,
        provider_id: fields.text("provider_id")?,
        name: fields.text("name")?,
        status: fields.parsed("status")?,
        probe,
    })
}

fn found(fields: Fields<'_>) -> Result<Option<Found>, StoreError> {
    let (at, outcome) = (fields.optional_integer("probed_at")?, fields.optional_parsed("outcome")?);
    let (Some(at), Some(outcome)) = (at, outcome) else { return Ok(None) };
    let latency_ms = fields.optional_integer("latency_ms")?.unwrap_or_default();
    let detail = fields.optional_text("detail")?.unwrap_or_default();
    Ok(Some(Found { at, outcome, detail, latency_ms: u64::try_from(latency_ms).unwrap_or_default() }))
}
