//! What the three protocols look like on the wire, as pure functions over bytes.
//!
//! The crate owns: which path means what ([`endpoint`]), what a request says ([`request`]), how a few of its bytes
//! are exchanged while all the others stay as they came ([`rewrite`]), the shape of an error in each protocol
//! ([`error`]), what an upstream's answer means for its key ([`classify`]), what an answer used ([`usage`]), what is
//! taken out of a stream that the client did not ask for ([`stream`]), where the ids of stored objects stand ([`stored`]),
//! which headers cross the gateway ([`headers`]) and how models are listed ([`models`]).
//!
//! It must not know a socket, a clock, a log or a configuration: everything that it needs is a parameter, so that it
//! can be tested byte by byte and measured by instruction counts. It runs on the request path, therefore no function
//! builds a tree of a whole body, and none allocates for each piece of a stream.
//!
//! A protocol is one folder (`openai`, `anthropic`, `gemini`), one implementation of `dialect::Dialect` and one
//! line in [`Protocol`]; a format of conversation one implementation of `translate::Codec` and one line in
//! [`translate::Format`]. `docs/adding-a-provider.md` goes through it.

pub mod canonical;
pub mod classify;
pub mod endpoint;
pub mod error;
pub mod headers;
pub mod models;
pub mod request;
pub mod rewrite;
pub mod stored;
pub mod stream;
pub mod translate;
pub mod usage;

mod anthropic;
mod dialect;
#[cfg(test)]
mod example;
mod gemini;
mod json;
mod openai;
mod protocol;

pub use protocol::Protocol;
