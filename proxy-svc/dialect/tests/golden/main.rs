//! The translation, fixture by fixture: each request for every target, each answer and each stream for every caller,
//! held to a snapshot that was read before it was committed.
//!
//! `UPDATE_GOLDEN=1 cargo test -p tollgate-dialect --test golden` writes the snapshots anew. Read what changed.

#[cfg(test)]
mod answers;
#[cfg(test)]
#[expect(unreachable_pub, reason = "a crate of its own for the fuzzer")]
#[path = "../../fuzz/src/lib.rs"]
mod checks;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod streams;
