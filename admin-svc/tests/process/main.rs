//! The program itself: started, signalled, killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod program;

mod command_line;
mod crash;
mod shutdown;
