//! The data plane: takes applications' requests in any of the three protocols and forwards them to providers.

mod admit;
pub mod allocator;
mod authenticate;
mod budget;
pub mod cache;
mod client;
pub mod config;
pub mod connection;
mod forward;
pub mod gateway;
mod guard;
pub mod health;
pub mod health_exchange;
pub mod limits;
mod message_stream;
mod meter;
mod models;
pub mod operate;
mod ops;
pub mod report;
mod respond;
pub mod route;
pub mod server;
pub mod snapshot;
mod stored;
pub mod telemetry;
mod translate;
