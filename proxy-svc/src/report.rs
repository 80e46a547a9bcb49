//! REPORT: the durable record of every request, and its way to the control plane.
//!
//! Before the first byte goes upstream the journal holds an *intent*; when the request is over, a *final* with its
//! attempts and its usage. Both are in the operating system's hands before the caller goes on, so a `kill -9` at any
//! point loses no request: an intent without a final is reported as `interrupted` at the next start. The control plane
//! takes each event once, by its id, so sending one again is harmless, and losing one is not possible before it is
//! acknowledged.
//!
//! - `event`: the words: what is known of a request. No protocol buffers there.
//! - `reporter`: the handle that the request path holds.
//! - `journal`: the segments on disk, their bound and their reserve; `segment` is one file of records, `record` the
//!   bytes of one.
//! - `deliver`: the stream to the control plane.
//! - `convert`: the only file here that knows the protocol buffers.
//!
//! Nothing here decides what a request was worth or whether it may pass; the one refusal it knows is "the journal is
//! full", because a request that cannot be recorded must not be made.

mod convert;
mod deliver;
mod event;
mod journal;
mod record;
mod reporter;
#[cfg(test)]
pub(crate) mod samples;
mod segment;

pub use deliver::DeliveryOptions;
pub use event::{Attempt, AttemptOutcome, CacheUse, Event, Intent, Outcome, Protocol, Reserved, Tokens, UsageSource};
pub use journal::{JournalError, JournalOptions, Level, Pressure, Recovered};
pub use reporter::{OpenIntent, Reporter};
