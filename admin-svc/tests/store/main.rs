//! The store on SQLite and on PostgreSQL: transactions, revisions, violated constraints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/database.rs"]
mod database;
#[path = "../support/postgres.rs"]
mod postgres;

mod constraints;
mod key_health;
mod providers;
mod services;
mod transactions;
mod user_budgets;

use admin_svc::{
    domain::{
        key_pool::{KeyPool, KeyPoolSpec},
        provider::{Provider, ProviderKind, ProviderSpec},
        stamp::Stamp,
    },
    store::Store,
};
use tollgate_shared::{
    ids::{KeyPoolId, ProviderId},
    limits::Timeouts,
};

/// An open store; its database goes away with it.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) database: database::Database,
}

pub(crate) async fn open(database: database::Database) -> Opened {
    Opened { store: Store::connect(&database.url()).await.unwrap(), database }
}

pub(crate) fn provider(name: &str) -> Provider {
    let spec = ProviderSpec {
        name: name.to_owned(),
        kind: ProviderKind::Openai,
        base_url: "https://api.openai.com".to_owned(),
        timeouts: Timeouts::default(),
        responses_api: Some(true),
    };
    Provider { id: ProviderId::generate(), spec, models: vec!["gpt-4o".to_owned()], stamp: Stamp::first(1) }
}

pub(crate) fn pool(name: &str, provider_id: ProviderId) -> KeyPool {
    let spec = KeyPoolSpec { name: name.to_owned(), provider_id };
    KeyPool { id: KeyPoolId::generate(), spec, stamp: Stamp::first(1) }
}
