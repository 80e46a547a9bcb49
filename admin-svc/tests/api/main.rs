//! The API as its clients see it: a real socket, and each test on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/database.rs"]
mod database;
#[path = "../support/postgres.rs"]
mod postgres;
mod server;

mod access_keys;
mod audit;
mod authentication;
mod document;
mod pools_and_keys;
mod prices;
mod protocol;
mod provider_models;
mod providers;
mod roles;
mod secrets;
mod services;
mod setup;
mod upstream;
mod users;
