//! When upstream keys are to be probed, and what their last probes found.

use sqlx::AnyConnection;
use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProviderId, UpstreamKeyId},
};

use super::{Fields, StoreError};
use crate::domain::key_probe::{DueProbe, Found, ProbeOutcome};

const TABLE: &str = "key_probes";

/// Active keys whose probe is due, that have none scheduled, or that were changed after a probe that failed.
pub async fn due(connection: &mut AnyConnection, now: UnixMicros, most: i64) -> Result<Vec<DueProbe>, StoreError> {
    let rows = sqlx::query(
        "SELECT k.id AS id, o.provider_id AS provider_id, p.due_at AS due_at, p.outcome AS outcome, \
         p.probed_at AS probed_at, p.in_trouble AS in_trouble, CASE WHEN k.updated_at > p.tried_at THEN 1 ELSE 0 END AS changed \
         FROM upstream_keys k JOIN key_pools o ON o.id = k.pool_id \
         LEFT JOIN key_probes p ON p.upstream_key_id = k.id \
         WHERE k.status = 'active' AND (p.due_at IS NULL OR p.due_at <= $1 \
             OR (p.outcome IN ('refused', 'unreachable') AND k.updated_at > p.tried_at)) \
         ORDER BY p.due_at, k.id LIMIT $2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(connection)
    .await?;
    let due = |row| {
        let fields = Fields::new(TABLE, row);
        let outcome: Option<ProbeOutcome> = fields.optional_parsed("outcome")?;
        let failed = matches!(outcome, Some(ProbeOutcome::Refused | ProbeOutcome::Unreachable));
        Ok(DueProbe {
            upstream_key_id: fields.parsed("id")?,
            provider_id: fields.parsed("provider_id")?,
            due_at: fields.optional_integer("due_at")?,
            last: outcome.zip(fields.optional_integer("probed_at")?),
            changed: failed && fields.integer("changed")? != 0,
            in_trouble: fields.optional_integer("in_trouble")?.is_some_and(|flag| flag != 0),
        })
    };
    rows.iter().map(due).collect()
}

/// Schedules a first probe, unless there is one.
pub async fn schedule(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    now: UnixMicros,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO key_probes (upstream_key_id, tried_at, due_at, in_trouble) VALUES ($1, $2, $3, 0) \
         ON CONFLICT (upstream_key_id) DO NOTHING",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(due_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a due one off, unless somebody else did so first; whether this was the first.
pub async fn claim(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    seen: UnixMicros,
    now: UnixMicros,
    until: UnixMicros,
) -> Result<bool, StoreError> {
    let result =
        sqlx::query("UPDATE key_probes SET tried_at = $2, due_at = $3 WHERE upstream_key_id = $1 AND due_at = $4")
            .bind(id.to_string())
            .bind(now)
            .bind(until)
            .bind(seen)
            .execute(connection)
            .await?;
    Ok(result.rows_affected() == 1)
}

/// Proxies got into trouble with a key: its probe comes at that time, or sooner if it is to come sooner anyway.
pub async fn hasten(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    now: UnixMicros,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO key_probes (upstream_key_id, tried_at, due_at, in_trouble) \
         SELECT id, $2, $3, 1 FROM upstream_keys WHERE id = $1 \
         ON CONFLICT (upstream_key_id) DO UPDATE SET in_trouble = 1, due_at = CASE \
         WHEN key_probes.due_at > excluded.due_at THEN excluded.due_at ELSE key_probes.due_at END",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(due_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Proxies say that a provider refuses a key: its probe comes at that time, unless the trouble is known already. So
/// proxies that hear of the refusal one after the other do not put the probe off for ever.
pub async fn expect_acceptance(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    now: UnixMicros,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO key_probes (upstream_key_id, tried_at, due_at, in_trouble) \
         SELECT id, $2, $3, 1 FROM upstream_keys WHERE id = $1 \
         ON CONFLICT (upstream_key_id) DO UPDATE SET in_trouble = 1, due_at = CASE \
         WHEN key_probes.in_trouble = 1 OR key_probes.outcome = 'refused' THEN key_probes.due_at \
         ELSE excluded.due_at END",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(due_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Has a due one come at another time, unless somebody changed that time meanwhile.
pub async fn put_off(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    seen: UnixMicros,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE key_probes SET due_at = $2 WHERE upstream_key_id = $1 AND due_at = $3")
        .bind(id.to_string())
        .bind(due_at)
        .bind(seen)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes what a probe found, and when the next one is due. A key that is gone is none.
pub async fn settle(
    connection: &mut AnyConnection,
    id: UpstreamKeyId,
    found: &Found,
    reached: bool,
    due_at: UnixMicros,
) -> Result<(), StoreError> {
    let Found { at, outcome, detail, latency_ms } = found;
    let (id, latency_ms) = (id.to_string(), i64::try_from(*latency_ms).unwrap_or(i64::MAX));
    let reached_at = reached.then_some(*at);
    sqlx::query(
        "INSERT INTO key_probes (upstream_key_id, tried_at, due_at, in_trouble, probed_at, outcome, detail, latency_ms, \
         reached_at) SELECT id, $2, $3, 0, $2, $4, $5, $6, $7 FROM upstream_keys WHERE id = $1 \
         ON CONFLICT (upstream_key_id) DO UPDATE SET tried_at = excluded.tried_at, due_at = excluded.due_at, \
         in_trouble = 0, probed_at = excluded.probed_at, outcome = excluded.outcome, detail = excluded.detail, \
         latency_ms = excluded.latency_ms, reached_at = COALESCE(excluded.reached_at, key_probes.reached_at)",
    )
    .bind(id)
    .bind(*at)
    .bind(due_at)
    .bind(outcome.as_str())
    .bind(detail.clone())
    .bind(latency_ms)
    .bind(reached_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether any probe of a provider's keys ever got an answer from it.
pub async fn was_reached(connection: &mut AnyConnection, provider: ProviderId) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM key_probes p JOIN upstream_keys k ON k.id = p.upstream_key_id \
         JOIN key_pools o ON o.id = k.pool_id WHERE o.provider_id = $1 AND p.reached_at IS NOT NULL LIMIT 1",
    )
    .bind(provider.to_string())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}
