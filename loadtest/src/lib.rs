//! What the gateway is measured and tested against.
//!
//! - [`provider`]: the simulated provider. It speaks the wire formats of `OpenAI`, Anthropic and
//!   Gemini, fails on command, remembers what it received, and counts what it generated. Tests
//!   start it with [`SimulatedProvider::start`]; the binary `simulated-provider` is the same thing
//!   with flags.
//!
//! - [`mod@bench`]: the comparison of gateways in front of it, run by the binary `bench`; its baseline is
//!   the binary `bare-pingora`.
//!
//! Nothing here is part of the product: the gateway never depends on this crate. Model-name
//! conventions and control endpoints are in this crate's README.

pub mod bench;
pub mod provider;

pub use provider::fault::{Fault, FaultMatch, FaultRule, Wait};
pub use provider::log::RecordedRequest;
pub use provider::options::{LogOptions, Options, TlsOptions};
pub use provider::running::{Running, SimulatedProvider, StartError};
pub use provider::usage::{Stats, Usage};
