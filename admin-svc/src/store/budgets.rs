//! What was spent of budgets, and what of them is lent.
//!
//! A lease is a row of a budget and a start of a proxy. It is kept under the period of a total, because it outlasts
//! every other; only what older proxies borrow is kept under the period that they borrowed it in.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::LazyLock,
};

use sqlx::{
    Any, AnyConnection,
    any::{AnyArguments, AnyRow},
    query::Query,
};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{BootId, ProxyId},
};

use super::{Fields, StoreError, bulk::BulkInsert};
use crate::domain::budget::{ALL_TIME, Borrower, BudgetKey, Lease, Spending, Standing};

/// The most budgets that are told of at once: one message has to hold them.
const SHORTAGES: i64 = 1_000;

static ADD_SPENDING: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO budget_spending (scope, scope_id, day_at, spent) VALUES",
        4,
        "ON CONFLICT (scope, scope_id, day_at) DO UPDATE SET spent = budget_spending.spent + excluded.spent",
    )
});

static ADD_USED: LazyLock<BulkInsert> = LazyLock::new(|| {
    BulkInsert::new(
        "INSERT INTO budget_leases (scope, scope_id, period_start, period_end, boot_id, granted, returned, used) VALUES",
        8,
        "ON CONFLICT (scope, scope_id, period_start, period_end, boot_id) \
         DO UPDATE SET used = budget_leases.used + excluded.used",
    )
});

/// The starts of proxies that borrowed something, in order.
pub async fn boots(
    connection: &mut AnyConnection,
    proxies: &BTreeSet<ProxyId>,
) -> Result<BTreeMap<ProxyId, Vec<(UnixMicros, BootId)>>, StoreError> {
    let mut boots = BTreeMap::new();
    for proxy in proxies {
        let rows = sqlx::query(
            "SELECT boot_id, booted_at FROM budget_borrowers WHERE proxy_id = $1 ORDER BY booted_at, boot_id",
        )
        .bind(proxy.to_string())
        .fetch_all(&mut *connection)
        .await?;
        let boot = |row| {
            let fields = Fields::new("budget_borrowers", row);
            Ok((fields.integer("booted_at")?, fields.parsed("boot_id")?))
        };
        let of_proxy = rows.iter().map(boot).collect::<Result<Vec<_>, StoreError>>()?;
        if !of_proxy.is_empty() {
            boots.insert(*proxy, of_proxy);
        }
    }
    Ok(boots)
}

/// Adds what events spent, in key order; in the transaction that inserts them.
pub async fn add(connection: &mut AnyConnection, spending: &Spending) -> Result<(), StoreError> {
    let rows: Vec<(&(BudgetKey, UnixMicros), &i64)> = spending.by_day.iter().collect();
    for (text, group) in ADD_SPENDING.statements(connection, &rows) {
        let mut query = sqlx::query(text);
        for ((budget, day), spent) in group {
            query = query.bind(budget.scope.as_str()).bind(budget.id.to_string()).bind(*day).bind(**spent);
        }
        query.execute(&mut *connection).await?;
    }
    let rows: Vec<(&(BudgetKey, BootId), &i64)> = spending.of_leases.iter().collect();
    for (text, group) in ADD_USED.statements(connection, &rows) {
        let mut query = sqlx::query(text);
        for ((budget, boot), used) in group {
            query = bind_lease(query, budget, &ALL_TIME, *boot).bind(0_i64).bind(0_i64).bind(**used);
        }
        query.execute(&mut *connection).await?;
    }
    add_older(connection, spending).await
}

async fn add_older(connection: &mut AnyConnection, spending: &Spending) -> Result<(), StoreError> {
    for ((budget, boot, day), used) in &spending.of_older_leases {
        sqlx::query(
            "UPDATE budget_leases SET used = used + $1 WHERE scope = $2 AND scope_id = $3 AND boot_id = $4 \
             AND period_start <= $5 AND period_end > $5",
        )
        .bind(*used)
        .bind(budget.scope.as_str())
        .bind(budget.id.to_string())
        .bind(boot.to_string())
        .bind(*day)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Nobody else lends from this budget until the transaction ends.
pub async fn lock(connection: &mut AnyConnection, budget: &BudgetKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO budget_locks (scope, scope_id, taken) VALUES ($1, $2, 1) \
         ON CONFLICT (scope, scope_id) DO UPDATE SET taken = budget_locks.taken + 1",
    )
    .bind(budget.scope.as_str())
    .bind(budget.id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Less is left to lend than is needed; whether that was not noted since `then`. In the transaction that holds the lock.
pub async fn note_shortage(
    connection: &mut AnyConnection,
    budget: &BudgetKey,
    now: UnixMicros,
    then: UnixMicros,
) -> Result<bool, StoreError> {
    let noted = sqlx::query(
        "UPDATE budget_locks SET short_at = $1 WHERE scope = $2 AND scope_id = $3 AND COALESCE(short_at, 0) <= $4",
    )
    .bind(now)
    .bind(budget.scope.as_str())
    .bind(budget.id.to_string())
    .bind(then)
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Of which budgets less was left than was needed since then; the latest, at most [`SHORTAGES`].
pub async fn short(connection: &mut AnyConnection, since: UnixMicros) -> Result<Vec<BudgetKey>, StoreError> {
    let rows =
        sqlx::query("SELECT scope, scope_id FROM budget_locks WHERE short_at > $1 ORDER BY short_at DESC LIMIT $2")
            .bind(since)
            .bind(SHORTAGES)
            .fetch_all(connection)
            .await?;
    let key = |row| {
        let fields = Fields::new("budget_locks", row);
        Ok(BudgetKey { scope: fields.parsed("scope")?, id: fields.parsed("scope_id")? })
    };
    rows.iter().map(key).collect()
}

/// The borrower lives until `expires_at` at least.
pub async fn renew(
    connection: &mut AnyConnection,
    borrower: &Borrower,
    expires_at: UnixMicros,
) -> Result<(), StoreError> {
    let Borrower { proxy_id, boot_id, booted_at, leases_outlast_periods: _ } = borrower;
    sqlx::query(
        "INSERT INTO budget_borrowers (boot_id, proxy_id, booted_at, expires_at, lapsed) VALUES ($1, $2, $3, $4, 0) \
         ON CONFLICT (boot_id) DO UPDATE SET expires_at = excluded.expires_at, lapsed = 0",
    )
    .bind(boot_id.to_string())
    .bind(proxy_id.to_string())
    .bind(*booted_at)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What those borrowed that were not renewed in time does not count as lent any more. How many there were.
pub async fn lapse(connection: &mut AnyConnection, now: UnixMicros) -> Result<u64, StoreError> {
    let lapsed = sqlx::query("UPDATE budget_borrowers SET lapsed = 1 WHERE lapsed = 0 AND expires_at < $1")
        .bind(now)
        .execute(connection)
        .await?;
    Ok(lapsed.rows_affected())
}

/// Of what earlier starts of the borrower's proxy were granted nothing is open any more: all of their events are here.
pub async fn settle_earlier_starts(connection: &mut AnyConnection, borrower: &Borrower) -> Result<(), StoreError> {
    let Borrower { proxy_id, boot_id, booted_at, leases_outlast_periods: _ } = borrower;
    sqlx::query(
        "UPDATE budget_leases SET returned = granted - used WHERE granted - returned - used > 0 AND boot_id IN \
         (SELECT boot_id FROM budget_borrowers WHERE proxy_id = $1 AND booted_at <= $2 AND boot_id <> $3)",
    )
    .bind(proxy_id.to_string())
    .bind(*booted_at)
    .bind(boot_id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets leases that no event can be of any more.
pub async fn forget(connection: &mut AnyConnection, before: UnixMicros) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM budget_leases WHERE period_end < $1 OR boot_id IN \
         (SELECT boot_id FROM budget_borrowers WHERE lapsed = 1 AND expires_at < $1)",
        "DELETE FROM budget_borrowers WHERE lapsed = 1 AND expires_at < $1",
    ] {
        sqlx::query(statement).bind(before).execute(&mut *connection).await?;
    }
    Ok(())
}

/// What a borrower has of a budget.
pub async fn lease(
    connection: &mut AnyConnection,
    budget: &BudgetKey,
    period: &Range<UnixMicros>,
    boot_id: BootId,
) -> Result<Option<Lease>, StoreError> {
    let query = sqlx::query(
        "SELECT granted, returned, used FROM budget_leases WHERE scope = $1 AND scope_id = $2 \
         AND period_start = $3 AND period_end = $4 AND boot_id = $5",
    );
    let row = bind_lease(query, budget, period, boot_id).fetch_optional(connection).await?;
    row.as_ref().map(read_lease).transpose()
}

/// What a borrower has of a budget, with a row for it; no event changes it until the transaction ends.
pub async fn open_lease(
    connection: &mut AnyConnection,
    budget: &BudgetKey,
    period: &Range<UnixMicros>,
    boot_id: BootId,
) -> Result<Lease, StoreError> {
    let query = sqlx::query(
        "INSERT INTO budget_leases (scope, scope_id, period_start, period_end, boot_id, granted, returned, used) \
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0) \
         ON CONFLICT (scope, scope_id, period_start, period_end, boot_id) \
         DO UPDATE SET granted = budget_leases.granted RETURNING granted, returned, used",
    );
    read_lease(&bind_lease(query, budget, period, boot_id).fetch_one(connection).await?)
}

/// Binds what a lease is known by: scope, id, period and borrower, in this order.
fn bind_lease<'q>(
    query: Query<'q, Any, AnyArguments>,
    budget: &BudgetKey,
    period: &Range<UnixMicros>,
    boot_id: BootId,
) -> Query<'q, Any, AnyArguments> {
    query
        .bind(budget.scope.as_str())
        .bind(budget.id.to_string())
        .bind(period.start)
        .bind(period.end)
        .bind(boot_id.to_string())
}

fn read_lease(row: &AnyRow) -> Result<Lease, StoreError> {
    let fields = Fields::new("budget_leases", row);
    Ok(Lease {
        granted: fields.integer("granted")?,
        returned: fields.integer("returned")?,
        used: fields.integer("used")?,
    })
}

/// Writes the totals that the borrower's own asks change; what its events used is added elsewhere.
pub async fn put_lease(
    connection: &mut AnyConnection,
    budget: &BudgetKey,
    period: &Range<UnixMicros>,
    boot_id: BootId,
    lease: &Lease,
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "UPDATE budget_leases SET granted = $1, returned = $2 WHERE scope = $3 AND scope_id = $4 \
         AND period_start = $5 AND period_end = $6 AND boot_id = $7",
    )
    .bind(lease.granted)
    .bind(lease.returned);
    bind_lease(query, budget, period, boot_id).execute(connection).await?;
    Ok(())
}

/// A budget's figures, with one borrower set apart. One statement, because events move money from lent to spent at any
/// time: figures of two moments would not fit together.
///
/// Every lease counts that can be spent on a request of the period: all but those of older proxies that share no day
/// with it. A lapsed one cannot any more when its proxy was silent since before the period and has started again.
pub async fn standing(
    connection: &mut AnyConnection,
    budget: &BudgetKey,
    period: &Range<UnixMicros>,
    apart: Option<BootId>,
) -> Result<Standing, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT CAST(COALESCE(SUM(s.spent), 0) AS BIGINT) FROM budget_spending s \
             WHERE s.scope = $1 AND s.scope_id = $2 AND s.day_at >= $3 AND s.day_at < $4) AS spent, \
         CAST(COALESCE(SUM(CASE WHEN b.lapsed = 0 THEN o.rest ELSE 0 END), 0) AS BIGINT) AS lent, \
         CAST(COALESCE(SUM(CASE WHEN b.lapsed = 0 AND o.boot_id <> $5 THEN o.rest ELSE 0 END), 0) AS BIGINT) AS others, \
         CAST(COALESCE(SUM(CASE WHEN b.lapsed = 1 THEN o.rest ELSE 0 END), 0) AS BIGINT) AS lapsed \
         FROM (SELECT boot_id, granted - returned - used AS rest FROM budget_leases \
             WHERE scope = $1 AND scope_id = $2 AND period_start < $4 AND period_end > $3) o \
         JOIN budget_borrowers b ON b.boot_id = o.boot_id \
         WHERE o.rest > 0 AND (b.lapsed = 0 OR b.expires_at >= $3 OR NOT EXISTS (SELECT 1 FROM budget_borrowers n \
             WHERE n.proxy_id = b.proxy_id AND n.booted_at > b.booted_at))",
    )
    .bind(budget.scope.as_str())
    .bind(budget.id.to_string())
    .bind(period.start)
    .bind(period.end)
    .bind(apart.map(|boot| boot.to_string()).unwrap_or_default())
    .fetch_one(connection)
    .await?;
    let fields = Fields::new("budget_leases", &row);
    Ok(Standing {
        spent: fields.integer("spent")?,
        lent: fields.integer("lent")?,
        lent_to_others: fields.integer("others")?,
        lapsed: fields.integer("lapsed")?,
    })
}
