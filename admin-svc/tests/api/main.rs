//! The API as its clients see it: a real socket, and each test on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/postgres.rs"]
mod postgres;
mod server;

mod access_keys;
mod audit;
mod authentication;
mod document;
mod pools_and_keys;
mod protocol;
mod providers;
mod roles;
mod secrets;
mod services;
mod setup;
mod users;

/// Runs each scenario once on each database.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use crate::server::{Database, Server};

            #[tokio::test]
            async fn on_sqlite() {
                super::$scenario(Server::start(Database::sqlite()).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$scenario(Server::start(Database::postgres().await).await).await;
            }
        }
    )+};
}

pub(crate) use on_both;
