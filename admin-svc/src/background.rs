//! What runs beside the listeners: one file a task. Each has an owner (`serve`), stops when told, and may be stopped at
//! any point without harm.

pub mod budgets;
pub mod health_probes;
pub mod ingest;
pub mod key_health;
pub mod provider_models;
pub mod proxies;
pub mod reload;
