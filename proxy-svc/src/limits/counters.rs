//! What one scope has used.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use uuid::Uuid;

use super::{bucket::Bucket, day::Day};

/// The counters of one scope; shared by every snapshot that has it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Names the scope among all proxies.
    pub(super) id: Uuid,
    pub(super) requests: Views<Bucket>,
    pub(super) tokens: Views<Bucket>,
    pub(super) day: Views<Day>,
    /// When `tokens.seen` was learnt.
    pub(super) tokens_seen_at: AtomicU64,
    /// When `day.seen` was learnt.
    pub(super) day_seen_at: AtomicU64,
    in_work: AtomicU64,
}

/// The same limit, seen in two ways.
#[derive(Debug, Default)]
pub(super) struct Views<T> {
    /// What this proxy let through, against its share of the limit.
    pub(super) own: T,
    /// What all proxies together let through, against the whole limit, as Redis last said.
    pub(super) seen: T,
}

impl Counters {
    pub(super) fn new(id: Uuid) -> Self {
        Self { id, ..Self::default() }
    }

    /// A place among `most`; given back when dropped.
    pub(crate) fn enter(self: &Arc<Self>, most: u64) -> Option<Place> {
        let next = |now| (now < most).then_some(now + 1);
        self.in_work.fetch_update(Relaxed, Relaxed, next).ok()?;
        Some(Place(Arc::clone(self)))
    }
}

/// One of the requests that a scope may have in work at the same time.
#[derive(Debug)]
pub(crate) struct Place(Arc<Counters>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Relaxed);
    }
}

/// The counters of a part of a snapshot; none where nothing is limited. They tell no two parts apart: what is limited
/// stands beside them.
#[derive(Clone, Default)]
pub struct Counted(Option<Arc<Counters>>);

impl Counted {
    pub(super) fn new(counters: Option<Arc<Counters>>) -> Self {
        Self(counters)
    }

    pub(crate) fn counters(&self) -> Option<&Arc<Counters>> {
        self.0.as_ref()
    }
}

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}
