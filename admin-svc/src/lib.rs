//! The control plane: what administrators configure, who did it, and how it reaches the proxies.
//!
//! A change's way, file by file: `http/v1/<resource>/<verb>` parses and authorises; `app/<resource>` decides, in one
//! transaction with its audit record; `store/<resource>` holds the SQL; the transaction's revision wakes the publisher.

pub mod app;
pub mod background;
pub mod command;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod grpc;
pub mod http;
pub mod metrics;
pub mod publish;
pub mod serve;
pub mod store;
pub mod upstream;
