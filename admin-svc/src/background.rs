//! What runs beside the listeners: one file a task. Each has an owner (`serve`), stops when told, and may be stopped at
//! any point without harm.

pub mod budgets;
pub mod ingest;
pub mod provider_models;
pub mod proxies;
pub mod reload;
