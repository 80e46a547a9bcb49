//! The data plane: takes applications' requests in any of the three protocols and forwards them to providers.

pub mod config;
pub mod route;
pub mod snapshot;
pub mod telemetry;
