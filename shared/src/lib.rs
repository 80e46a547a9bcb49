//! The words that both planes must agree on.
//!
//! Nothing in here knows axum, pingora, sqlx or tonic, and nothing belongs here that only one plane needs.

pub mod access_key;
pub mod access_token;
pub mod address;
pub mod backoff;
pub mod bounds;
pub mod clock;
pub mod configuration;
pub mod ids;
pub mod limits;
pub mod money;
pub mod period;
pub mod secret;
pub mod telemetry;
