//! The simulated provider, from the socket inwards.
//!
//! `running` owns threads and sockets. `connection` (HTTP/1.1, our own codec in `http1`) and
//! `http2` (hyper's) turn bytes into an `Incoming` and a `Script` back into bytes. `exchange`
//! decides the script: control endpoint, fault, refusal, or the plan made by `openai`,
//! `anthropic` or `gemini`, which all ask `answer` what the model says and `usage` what it cost.
//!
//! Plans are deterministic functions of the request, so they are kept (`memo`) and stamped with
//! fresh ids and dates on every use (`template`): that is what makes this fast enough never to be
//! the bottleneck of a measurement.

mod answer;
mod anthropic;
mod connection;
mod control;
mod error;
mod exchange;
pub mod fault;
mod gemini;
mod headers;
mod http1;
mod http2;
mod incoming;
mod json;
pub mod log;
mod logprobs;
mod members;
mod memo;
mod multipart;
mod openai;
pub mod options;
mod plan;
mod profile;
mod prompt;
pub mod running;
mod schema;
mod script;
mod shared;
mod signature;
mod socket;
mod template;
mod tls;
pub mod usage;

#[cfg(test)]
mod tests;
