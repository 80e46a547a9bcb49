//! Opens the pools. What differs between the databases is here and in `transaction`, nowhere else.

use std::{path::Path, time::Duration};

use sqlx::{AnyPool, any::AnyPoolOptions, migrate::Migrator};
use uuid::Uuid;

use super::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const POSTGRES_CONNECTIONS: u32 = 16;
const SQLITE_READERS: u32 = 4;

/// `FULL`: a committed change survives a loss of power. Foreign keys are off by default in `SQLite`.
const SQLITE_WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON";
const SQLITE_READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON";

/// Which database stands behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub(super) struct Pools {
    pub(super) engine: Engine,
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
}

pub(super) async fn open(url: &str) -> Result<Pools, StoreError> {
    sqlx::any::install_default_drivers();
    let pools = if let Some(path) = url.strip_prefix("sqlite:") {
        open_sqlite(path.strip_prefix("//").unwrap_or(path)).await?
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        open_postgres(url).await?
    } else {
        return Err(StoreError::Url);
    };
    MIGRATIONS.run(&pools.writer).await?;
    sqlx::query("INSERT INTO configuration (id, epoch, revision) VALUES (1, $1, 0) ON CONFLICT (id) DO NOTHING")
        .bind(Uuid::now_v7().to_string())
        .execute(&pools.writer)
        .await?;
    Ok(pools)
}

async fn open_sqlite(path: &str) -> Result<Pools, StoreError> {
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Err(StoreError::Url);
    }
    let url = sqlite_url(Path::new(path))?;
    let writer = sqlite_pool(&url, 1, SQLITE_WRITER).await?;
    let reader = sqlite_pool(&url, SQLITE_READERS, SQLITE_READER).await?;
    Ok(Pools { engine: Engine::Sqlite, writer, reader })
}

/// An absolute URL: the host part of a relative one would be lower-cased and lose its dots.
fn sqlite_url(path: &Path) -> Result<String, StoreError> {
    let absolute = std::path::absolute(path).map_err(StoreError::Folder)?;
    if let Some(folder) = absolute.parent() {
        std::fs::create_dir_all(folder).map_err(StoreError::Folder)?;
    }
    let file = url::Url::from_file_path(&absolute).map_err(|()| StoreError::Url)?;
    Ok(["sqlite://", file.path(), "?mode=rwc"].concat())
}

async fn sqlite_pool(url: &str, connections: u32, pragmas: &'static str) -> Result<AnyPool, StoreError> {
    let options = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(pragmas).execute(connection).await.map(drop) })
        });
    Ok(options.connect(url).await?)
}

async fn open_postgres(url: &str) -> Result<Pools, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect(url)
        .await?;
    Ok(Pools { engine: Engine::Postgres, writer: pool.clone(), reader: pool })
}
