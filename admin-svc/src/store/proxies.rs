//! What proxies last said.

use std::sync::LazyLock;

use sqlx::{AnyConnection, any::AnyRow};
use tollgate_shared::{clock::UnixMicros, ids::ProxyId};

use super::{Fields, StoreError, bulk::BulkInsert, fields::to_document};
use crate::domain::proxy::Proxy;

const TABLE: &str = "proxies";

static UPSERT: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO proxies (id, boot_id, hostname, version, epoch, revision, errors, connected, first_seen_at, \
         last_seen_at) VALUES",
        10,
        // Another replica may know something newer, when the proxy went there.
        "ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, hostname = excluded.hostname, \
         version = excluded.version, epoch = excluded.epoch, revision = excluded.revision, errors = excluded.errors, \
         connected = excluded.connected, last_seen_at = excluded.last_seen_at \
         WHERE proxies.last_seen_at <= excluded.last_seen_at",
    )
});

/// Notes what proxies said. `proxies` must be ordered by id, so that two replicas never deadlock.
pub async fn upsert(connection: &mut AnyConnection, proxies: &[Proxy]) -> Result<(), StoreError> {
    for (text, group) in UPSERT.statements(connection, proxies) {
        let mut query = sqlx::query(text);
        for proxy in group {
            let Proxy {
                id,
                boot_id,
                hostname,
                version,
                epoch,
                revision,
                refused,
                connected,
                first_seen_at,
                last_seen_at,
            } = proxy;
            query = query
                .bind(id.to_string())
                .bind(boot_id.to_string())
                .bind(hostname.clone())
                .bind(version.clone())
                .bind(epoch.clone())
                .bind(i64::try_from(*revision).unwrap_or(i64::MAX))
                .bind(to_document(TABLE, "errors", refused)?)
                .bind(i64::from(*connected))
                .bind(*first_seen_at)
                .bind(*last_seen_at);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// A page of proxies by id, after one.
pub async fn page(connection: &mut AnyConnection, after: &str, limit: i64) -> Result<Vec<Proxy>, StoreError> {
    let rows = sqlx::query("SELECT * FROM proxies WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.to_owned())
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

pub async fn by_id(connection: &mut AnyConnection, id: ProxyId) -> Result<Option<Proxy>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM proxies WHERE id = $1").bind(id.to_string()).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Connected, and seen since a moment.
pub async fn count_live(connection: &mut AnyConnection, seen_since: UnixMicros) -> Result<u32, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) AS live FROM proxies WHERE connected = 1 AND last_seen_at > $1")
        .bind(seen_since)
        .fetch_one(connection)
        .await?;
    Ok(u32::try_from(Fields::new(TABLE, &row).integer("live")?).unwrap_or(u32::MAX))
}

fn read(row: &AnyRow) -> Result<Proxy, StoreError> {
    let fields = Fields::new(TABLE, row);
    Ok(Proxy {
        id: fields.parsed("id")?,
        boot_id: fields.parsed("boot_id")?,
        hostname: fields.text("hostname")?,
        version: fields.text("version")?,
        epoch: fields.text("epoch")?,
        revision: fields.number("revision")?,
        refused: fields.document("errors")?,
        connected: fields.integer("connected")? != 0,
        first_seen_at: fields.integer("first_seen_at")?,
        last_seen_at: fields.integer("last_seen_at")?,
    })
}
