//! The simulated provider from outside: bytes in, bytes out.

mod anthropic;
mod faults;
mod gemini;
mod h2;
mod log;
mod openai;
mod stateful;
mod transport;
mod wire;
