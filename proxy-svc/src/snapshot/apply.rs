//! Puts what the control plane sent in force. Synchronous and without a network: the caller gives it a thread that may
//! be busy for a while.
//!
//! A snapshot of the epoch in force that is older than the revision in force is refused, whoever sends it: a proxy
//! never goes back behind what it acknowledged. Another epoch is another database and is taken as it comes.

use std::sync::Arc;

use prost::{
    Message,
    bytes::{Bytes, BytesMut},
};
use ring::digest::{SHA256, digest};
use tollgate_proto as proto;
use tollgate_shared::clock::Clock;

use super::{
    Snapshot, Snapshots,
    frame::{self, EncodedSnapshot},
    holdings::{Holdings, Problem},
    store::StoredSnapshot,
};

/// Goes into the stored file, so that other software asks for everything anew.
const SOFTWARE: &str = env!("CARGO_PKG_VERSION");

/// What is held, and where it comes in force.
#[derive(Debug)]
pub(super) struct Applier {
    snapshots: Arc<Snapshots>,
    holdings: Holdings,
    problems: Vec<Problem>,
    /// Whether the holdings are to be asked for anew, whatever their revision.
    incomplete: bool,
    /// Replaced snapshots that a request still read. They are dropped here and not on the request's thread, which
    /// would have to free every access key.
    retired: Vec<Arc<Snapshot>>,
}

/// A whole snapshot, put together but not yet looked into. No `Debug`: it holds secrets.
pub(super) struct SnapshotFrame {
    pub epoch: String,
    pub revision: u64,
    pub sha256: Bytes,
    pub frame: Vec<u8>,
}

/// Why nothing of a message was put in force.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the snapshot cannot be unpacked: {0}")]
    Frame(String),
    #[error("the snapshot's hash does not match")]
    Hash,
    #[error("the snapshot cannot be decoded")]
    Encoding,
    #[error("the snapshot has no epoch")]
    NoEpoch,
    #[error("revision {offered} is older than {held}, which is in force")]
    Older { offered: u64, held: u64 },
    #[error("the change does not follow what is held")]
    Gap,
}

impl Applier {
    pub(super) fn new(snapshots: Arc<Snapshots>) -> Self {
        let holdings = Holdings::new(Arc::clone(snapshots.registry()));
        Self { snapshots, holdings, problems: Vec::new(), incomplete: false, retired: Vec::new() }
    }

    /// What to tell the control plane that is held: epoch and revision.
    pub(super) fn held(&self) -> (&str, u64) {
        if self.incomplete { ("", 0) } else { (&self.holdings.epoch, self.holdings.revision) }
    }

    /// What is not in force as it was sent.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// From the disk, at start.
    pub(super) fn restore(&mut self, stored: StoredSnapshot) {
        let StoredSnapshot { epoch, revision, resources, complete, written_by, written_at_unix_us: _ } = stored;
        self.holdings.replace_all(epoch, revision, resources);
        self.put_in_force();
        self.incomplete = !complete || written_by != SOFTWARE || !self.problems.is_empty();
    }

    pub(super) fn snapshot(&mut self, snapshot: SnapshotFrame) -> Result<(), Refusal> {
        let SnapshotFrame { epoch, revision, sha256, frame } = snapshot;
        if epoch.is_empty() {
            return Err(Refusal::NoEpoch);
        }
        let in_force = self.snapshots.load();
        if in_force.epoch == epoch && in_force.revision > revision {
            return Err(Refusal::Older { offered: revision, held: in_force.revision });
        }
        drop(in_force);
        let plain = frame::unpack(&frame).map_err(|error| Refusal::Frame(error.to_string()))?;
        drop(frame);
        if digest(&SHA256, &plain).as_ref() != &*sha256 {
            return Err(Refusal::Hash);
        }
        let EncodedSnapshot { resources } =
            EncodedSnapshot::decode(Bytes::from(plain)).map_err(|_| Refusal::Encoding)?;
        self.holdings.replace_all(epoch, revision, resources);
        self.incomplete = false;
        self.put_in_force();
        Ok(())
    }

    pub(super) fn delta(&mut self, delta: proto::Delta) -> Result<(), Refusal> {
        let proto::Delta { epoch, from, to, nonce: _, upserts, deletes } = delta;
        let (held_epoch, held_revision) = self.held();
        if epoch.is_empty() || epoch != held_epoch || from != held_revision || to < from {
            return Err(Refusal::Gap);
        }
        self.holdings.change(to, upserts, deletes);
        self.put_in_force();
        Ok(())
    }

    fn put_in_force(&mut self) {
        let (snapshot, problems) = self.holdings.build(self.snapshots.health());
        self.problems = problems;
        self.retired.push(self.snapshots.replace(Arc::new(snapshot)));
        self.drop_retired();
        self.snapshots.registry().forget_gone();
    }

    /// Asks for everything with the next hello, because what is held and what is sent do not fit together.
    pub(super) fn ask_anew(&mut self) {
        self.incomplete = true;
    }

    pub(super) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees replaced snapshots that nobody reads any more.
    pub(super) fn drop_retired(&mut self) {
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }

    /// What to store: the versions that are in force. Nothing when this one never put any there.
    pub(super) fn to_store(&self, clock: &Clock) -> Option<StoredSnapshot> {
        if self.holdings.epoch.is_empty() {
            return None;
        }
        let mut all = BytesMut::with_capacity(self.holdings.encoded().map(<[u8]>::len).sum());
        let mut resources = Vec::new();
        for encoded in self.holdings.encoded() {
            all.extend_from_slice(encoded);
            resources.push(all.split().freeze());
        }
        Some(StoredSnapshot {
            epoch: self.holdings.epoch.clone(),
            revision: self.holdings.revision,
            resources,
            complete: self.problems.is_empty(),
            written_by: SOFTWARE.to_owned(),
            written_at_unix_us: clock.now(),
        })
    }
}

#[cfg(test)]
mod tests;
