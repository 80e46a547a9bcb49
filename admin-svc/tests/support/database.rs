//! A fresh database of either kind, and scenarios that run on both.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::postgres;

#[derive(Debug)]
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(postgres::Database),
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) async fn postgres() -> Self {
        Self::Postgres(postgres::database().await)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", self.folder().unwrap_or_default().join("tollgate.db").display()),
            Self::Postgres(database) => database.url.clone(),
        }
    }

    /// Where SQLite keeps its files.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(folder) => Some(folder.path().to_owned()),
            Self::Postgres(_) => None,
        }
    }
}

/// Runs each scenario on each database, with what `$start` makes of the database. The scenarios of a module share
/// one PostgreSQL cluster, because starting one takes a second.
macro_rules! on_both {
    ($start:path; $($scenario:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario($start($crate::database::Database::sqlite()).await).await;
                }
            )+
        }

        #[tokio::test]
        async fn every_scenario_on_postgres() {
            let _cluster = $crate::postgres::shared_cluster().await;
            $(
                eprintln!("scenario: {}", stringify!($scenario));
                $scenario($start($crate::database::Database::postgres().await).await).await;
            )+
        }
    };
}

pub(crate) use on_both;
