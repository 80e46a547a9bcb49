//! What the migration to users' budgets makes of a database that was there before.

use admin_svc::{
    domain::budget::{BudgetKey, Standing},
    store::{Store, budgets, configuration},
};
use sqlx::{AnyPool, migrate::Migrator};
use tollgate_shared::{ids::UserId, limits::Period};

use crate::database::{Database, on_both};

on_both!(
    crate::user_budgets::before;
    a_budget_knows_what_was_spent_before_there_were_any, proxies_are_told_of_those_who_are_disabled);

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");
/// The last one before.
const BEFORE: i64 = 8;
const DAY: i64 = 86_400_000_000;

/// A database of the version before.
struct Before {
    database: Database,
    pool: AnyPool,
}

async fn before(database: Database) -> Before {
    sqlx::any::install_default_drivers();
    let url = database.url();
    let url = if url.starts_with("sqlite") { format!("{url}?mode=rwc") } else { url };
    let pool = AnyPool::connect(&url).await.unwrap();
    let migrations = MIGRATIONS.iter().filter(|migration| migration.version <= BEFORE).cloned().collect();
    Migrator { migrations, ..Migrator::DEFAULT }.run(&pool).await.unwrap();
    let this = Before { database, pool };
    this.run("INSERT INTO configuration (id, epoch, revision) VALUES (1, 'e', 5)").await;
    this
}

impl Before {
    async fn run(&self, text: &str) {
        sqlx::query(sqlx::AssertSqlSafe(text.to_owned())).execute(&self.pool).await.unwrap();
    }

    async fn user(&self, status: &str) -> UserId {
        let id = UserId::generate();
        self.run(&format!(
            "INSERT INTO users (id, email, name, role, status, password_hash, created_at, updated_at, version) \
             VALUES ('{id}', '{id}', 'n', 'member', '{status}', '', 1, 1, 1)"
        ))
        .await;
        id
    }

    async fn upgraded(self) -> (Store, Database) {
        self.pool.close().await;
        (Store::connect(&self.database.url()).await.unwrap(), self.database)
    }
}

async fn a_budget_knows_what_was_spent_before_there_were_any(before: Before) {
    let user = before.user("active").await;
    for (series, service) in [("a", "s1"), ("b", "s2")] {
        before
            .run(&format!(
                "INSERT INTO usage_series (id, service_id, access_key_id, user_id, model, provider_id, \
                 upstream_key_id) VALUES ('{series}', '{service}', 'k', '{user}', 'm', 'p', 'u')"
            ))
            .await;
        // An hour's sums are in the day's already.
        for (granularity, bucket, cost) in [(86_400, DAY, 30), (86_400, 2 * DAY, 12), (3_600, DAY, 30)] {
            before.run(&rollup(granularity, bucket, series, cost)).await;
        }
    }
    let (store, _database) = before.upgraded().await;
    let mut reader = store.reader().await.unwrap();
    for (period, spent) in [(DAY..2 * DAY, 60), (Period::Total.around(DAY), 84)] {
        let standing = budgets::standing(&mut reader, &BudgetKey::from(user), &period, None).await.unwrap();
        assert_eq!(standing, Standing { spent, ..Standing::default() });
    }
}

fn rollup(granularity: i64, bucket: i64, series: &str, cost: i64) -> String {
    let counters = ["requests", "client_errors", "refused", "upstream_errors", "client_closed", "interrupted"];
    let tokens = ["input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];
    let times = ["duration_us", "ttft_us"].map(str::to_owned).into_iter();
    let histograms =
        ["duration", "ttft"].into_iter().flat_map(|of| (0..25).map(move |index| format!("{of}_{index:02}")));
    let columns: Vec<String> =
        counters.into_iter().chain(tokens).map(str::to_owned).chain(times).chain(histograms).collect();
    let zeros = vec!["0"; columns.len()].join(", ");
    format!(
        "INSERT INTO usage_rollups (granularity, bucket_at, series_id, cost_micros, {}) \
         VALUES ({granularity}, {bucket}, '{series}', {cost}, {zeros})",
        columns.join(", ")
    )
}

async fn proxies_are_told_of_those_who_are_disabled(before: Before) {
    before.user("active").await;
    let disabled = before.user("disabled").await;
    let (store, database) = before.upgraded().await;
    let mut reader = store.reader().await.unwrap();
    assert_eq!(configuration::head(&mut reader).await.unwrap().revision, 6);
    let changes = configuration::changes_since(&mut reader, 5).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.key.id.clone()).collect::<Vec<_>>(), [disabled.to_string()]);
    // Opened again, nothing more changes.
    let again = Store::connect(&database.url()).await.unwrap();
    assert_eq!(configuration::head(&mut again.reader().await.unwrap()).await.unwrap().revision, 6);
}
