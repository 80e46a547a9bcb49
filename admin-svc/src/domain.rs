//! The resources: their types, their shape in the API, and what makes them valid. No I/O.
//!
//! Each resource has a `…Spec` (what a caller may write, and patch) inside the resource itself (what a caller reads).
//! What must never leave the service (hashes, sealed secrets) is skipped when a resource is serialised.

pub mod access_key;
pub mod audit_event;
pub mod budget;
pub mod change;
pub mod key_health;
pub mod key_pool;
pub mod key_probe;
pub mod model_refresh;
pub mod page;
pub mod patch;
pub mod price;
pub mod provider;
pub mod proxy;
pub mod published;
pub mod service;
pub mod session;
pub mod stamp;
pub mod status;
pub mod strict;
pub(crate) mod text_enum;
pub mod timestamp;
pub mod upstream_key;
pub mod usage;
pub mod user;
pub mod validation;
