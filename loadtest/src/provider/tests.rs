//! The simulated provider from outside: bytes in, bytes out.

mod anthropic;
mod ask;
mod faults;
mod figures;
mod gemini;
mod h2;
mod log;
mod openai;
mod refusals;
mod rules;
mod stateful;
mod strict;
mod thinking;
mod transport;
mod wire;
