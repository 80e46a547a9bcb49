//! What the end-to-end tests stand on: the control plane, a proxy and the simulated provider, started as three real
//! processes on free ports of the loopback interface, in a temporary directory, and configured over the REST API only.
//!
//! It knows the binaries by what they promise to the outside (flags, environment variables, HTTP, the planes' protocol)
//! and links none of them: a test sees what an operator and an application would see. `src/bin/trio.rs` offers the same three processes
//! to suites that are not written in Rust.

pub mod binaries;
pub mod budgets;
pub mod eventually;
pub mod h2_client;
pub mod health_stream;
pub mod ports;
pub mod process;
pub mod raw;
pub mod redis;
pub mod requests;
pub mod rest;
pub mod seed;
pub mod simulator;
pub mod tap;
pub mod trio;
pub mod usage;

pub use redis::Redis;
pub use requests::{Answer, Call, Dialect};
pub use rest::Rest;
pub use seed::{Application, Seed};
pub use simulator::Simulator;
pub use tap::Tap;
pub use trio::Trio;
pub use usage::Tokens;
