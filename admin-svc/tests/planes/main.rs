//! The control plane as the proxies see it: real listeners, a real database of either kind, a proxy that is simulated
//! by the protocol's client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod control_plane;
#[path = "../support/database.rs"]
mod database;
mod events;
mod health_stream;
#[path = "../support/postgres.rs"]
mod postgres;
mod proxy;

mod budgets;
mod configuration;
mod health;
mod ingest;
mod leases;
mod probes;
mod proxies;
mod rollups;
mod usage_api;
mod users;
