//! Every fault that the simulated provider can play, in each caller's protocol and at a provider of each protocol: what
//! the caller gets, how often which key is called, and what the control plane then shows of the key.
//!
//! A table says what is to come of a fault (`table`), and all of its cases are played on one stack, each with keys of its
//! own (`stage`, `case`). The other files are the tables, and the way back (`recovery`).

#[path = "faults/case.rs"]
mod case;
#[path = "faults/failures.rs"]
mod failures;
#[path = "faults/harmless.rs"]
mod harmless;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/recovery.rs"]
mod recovery;
#[path = "faults/refusals.rs"]
mod refusals;
#[path = "faults/stage.rs"]
mod stage;
#[path = "faults/streams.rs"]
mod streams;
#[path = "faults/table.rs"]
mod table;
