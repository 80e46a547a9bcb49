//! The messages and services that the two planes speak, generated from `tollgate/v1/*.proto`.
//!
//! Nothing is written here by hand: no logic, no conversions. Each plane converts in its own `convert.rs`.
//! `make gen` writes `generated.rs` anew; CI fails when the committed text differs.

#[rustfmt::skip]
#[allow(
    clippy::all, clippy::pedantic, clippy::allow_attributes_without_reason, unreachable_pub, missing_docs,
    reason = "generated code"
)]
mod generated;

pub use generated::*;
