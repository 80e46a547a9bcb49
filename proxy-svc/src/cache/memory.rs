//! The answers in this process's memory, bounded by bytes.
//!
//! What goes first when it is full is decided in S3-FIFO's manner: an answer that nobody asked for again makes room
//! before one that was. Locks are held for a look-up or an insertion, never across a wait.

use std::sync::Arc;

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use tollgate_shared::clock::UnixMicros;

use super::{entry::Entry, key::EntryKey};

/// A part of the memory holds at least that: the largest answer that a service may keep fits.
const SHARD_BYTES: u64 = 32 << 20;
const MOST_SHARDS: usize = 64;
/// A guess, for the first size of the tables.
const USUAL_ENTRY_BYTES: u64 = 4 << 10;
const MOST_EXPECTED_ENTRIES: u64 = 1 << 20;

/// How old an answer that is held may get in the end.
type Held = (Arc<Entry>, UnixMicros);

pub(super) struct Memory {
    /// Absent when nothing may be held.
    held: Option<Cache<EntryKey, Held, Weight>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<EntryKey, Held> for Weight {
    fn weight(&self, _: &EntryKey, (entry, _): &Held) -> u64 {
        entry.weight()
    }
}

impl Memory {
    pub(super) fn new(max_bytes: u64) -> Self {
        let shards = usize::try_from(max_bytes / SHARD_BYTES).unwrap_or(usize::MAX).clamp(1, MOST_SHARDS);
        // Rounded down: the library rounds up to a power of two, which would make the shards too small.
        let shards = 1 << shards.ilog2();
        let expected = (max_bytes / USUAL_ENTRY_BYTES).clamp(1, MOST_EXPECTED_ENTRIES);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(usize::try_from(expected).unwrap_or(1))
            .weight_capacity(max_bytes)
            .build();
        let build =
            |options| Cache::with_options(options, Weight, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { held: options.ok().filter(|_| max_bytes > 0).map(build) }
    }

    pub(super) fn get(&self, key: &EntryKey) -> Option<Arc<Entry>> {
        self.held.as_ref()?.get(key).map(|(entry, _)| entry)
    }

    /// `until`: when it may be thrown away.
    pub(super) fn insert(&self, key: EntryKey, entry: Arc<Entry>, until: UnixMicros) {
        if let Some(held) = &self.held {
            held.insert(key, (entry, until));
        }
    }

    /// Throws away what is too old for everybody.
    pub(super) fn drop_expired(&self, now: UnixMicros) {
        if let Some(held) = &self.held {
            held.retain(|_, (_, until)| *until > now);
        }
    }

    pub(super) fn entries(&self) -> usize {
        self.held.as_ref().map_or(0, Cache::len)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.held.as_ref().map_or(0, Cache::weight)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::cache::key::tests::numbered;

    fn entry(bytes: usize) -> Arc<Entry> {
        let body = Bytes::from(vec![0; bytes]);
        let (headers, model) = (Vec::new(), "m".into());
        Arc::new(Entry { stored_at: 0, headers, is_stream: false, body, model, usage: None })
    }

    proptest! {
        #[test]
        fn what_is_held_never_weighs_more_than_allowed(
            max_bytes in 0_u64..200_000,
            sizes in proptest::collection::vec((0_usize..30_000, 0_u8..40), 1..120),
        ) {
            let memory = Memory::new(max_bytes);
            for (size, number) in sizes {
                memory.insert(numbered(number), entry(size), 1);
                prop_assert!(memory.bytes() <= max_bytes);
                if let Some(found) = memory.get(&numbered(number)) {
                    prop_assert_eq!(found.body.len(), size);
                }
            }
        }
    }

    #[test]
    fn largest_answer_fits_a_memory_of_the_default_size() {
        let memory = Memory::new(64 << 20);
        memory.insert(numbered(1), entry(16 << 20), 1);
        assert!(memory.get(&numbered(1)).is_some());
    }

    #[test]
    fn expired_answers_are_thrown_away() {
        let memory = Memory::new(1 << 20);
        memory.insert(numbered(1), entry(10), 5);
        memory.insert(numbered(2), entry(10), 6);
        memory.drop_expired(5);
        assert!(memory.get(&numbered(1)).is_none() && memory.get(&numbered(2)).is_some());
        assert_eq!(memory.entries(), 1);
    }
}
