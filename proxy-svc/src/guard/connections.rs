//! How many connections each client address has, in a table of fixed size.
//!
//! A slot is one word, the client and its count together, so that a connection always gives back to the slot that it was
//! counted in. A client with connections is never pushed out; one that finds its line full of such is not counted: the
//! cap on all connections still holds, and whoever can fill lines of a keyed hash has many addresses anyway.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::ledger::ClientHash;

const LINES: usize = 16 * 1024;
const WAYS: usize = 8;
const COUNT_BITS: u32 = 20;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// A count must fit into its bits.
pub(crate) const MOST_CONNECTIONS: u64 = COUNT - 1;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

/// Connections by client.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionCounts {
    lines: Arc<[Line]>,
    most: u64,
}

/// A connection that is counted; given back when dropped.
#[derive(Debug)]
pub(crate) struct CountedConnection {
    lines: Arc<[Line]>,
    /// Line and way; absent when there was no room.
    slot: Option<(usize, usize)>,
}

/// The client has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl ConnectionCounts {
    /// `most`: for one client.
    pub(crate) fn new(most: u64) -> Self {
        let lines = std::iter::repeat_with(Line::default).take(LINES).collect();
        Self { lines, most: most.min(MOST_CONNECTIONS) }
    }

    pub(crate) fn open(&self, client: ClientHash) -> Result<CountedConnection, TooMany> {
        let (index, hash) = client.split(LINES);
        let tag = hash >> COUNT_BITS;
        let counted = |way| CountedConnection { lines: Arc::clone(&self.lines), slot: Some((index, way)) };
        let Some(Line(slots)) = self.lines.get(index) else { return Err(TooMany) };
        for (way, slot) in slots.iter().enumerate() {
            match add(slot, tag, self.most) {
                Added::Counted => return Ok(counted(way)),
                Added::TooMany => return Err(TooMany),
                Added::OfAnother => {}
            }
        }
        for (way, slot) in slots.iter().enumerate() {
            if take_over(slot, tag) {
                return Ok(counted(way));
            }
        }
        Ok(CountedConnection { lines: Arc::clone(&self.lines), slot: None })
    }
}

enum Added {
    Counted,
    TooMany,
    OfAnother,
}

fn add(slot: &AtomicU64, tag: u64, most: u64) -> Added {
    let mut found = slot.load(Relaxed);
    loop {
        if found >> COUNT_BITS != tag || found & COUNT == 0 {
            return Added::OfAnother;
        }
        if found & COUNT >= most {
            return Added::TooMany;
        }
        match slot.compare_exchange_weak(found, found + 1, Relaxed, Relaxed) {
            Ok(_) => return Added::Counted,
            Err(changed) => found = changed,
        }
    }
}

/// A slot whose client has no connection any more becomes another's.
fn take_over(slot: &AtomicU64, tag: u64) -> bool {
    let found = slot.load(Relaxed);
    found & COUNT == 0 && slot.compare_exchange(found, (tag << COUNT_BITS) | 1, Relaxed, Relaxed).is_ok()
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        if let Some((line, way)) = self.slot {
            self.lines[line].0[way].fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::ledger::ClientHasher;

    #[test]
    fn client_has_its_connections_and_no_more() {
        let (counts, hasher) = (ConnectionCounts::new(2), ClientHasher::default());
        let one = hasher.hash("192.0.2.1".parse().unwrap());
        let other = hasher.hash("192.0.2.2".parse().unwrap());
        let first = counts.open(one).unwrap();
        let _second = counts.open(one).unwrap();
        assert_eq!(counts.open(one).err(), Some(TooMany));
        assert!(counts.open(other).is_ok());
        drop(first);
        let _third = counts.open(one).unwrap();
        assert_eq!(counts.open(one).err(), Some(TooMany));
    }

    #[test]
    fn threads_count_right_and_leave_nothing_behind() {
        let (counts, hasher) = (ConnectionCounts::new(8), ClientHasher::default());
        let client = hasher.hash("192.0.2.1".parse().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let open: Vec<_> = (0..2).map(|_| counts.open(client)).collect();
                        assert!(open.iter().all(Result::is_ok), "eight at a time are allowed");
                    }
                });
            }
        });
        assert!(counts.lines.iter().flat_map(|line| &line.0).all(|slot| slot.load(Relaxed) & COUNT == 0));
    }
}
