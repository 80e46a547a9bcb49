//! Which targets a request may go to.

pub mod pattern;
