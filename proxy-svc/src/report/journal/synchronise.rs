//! Level `Host`: bringing records to the disk, as many at a time as have gathered.
//!
//! After a failed synchronisation the kernel may have dropped what it could not write, and says so only once. So the
//! records that are not confirmed are kept in memory, and then written again into another segment: the same handle is
//! never asked twice.

use std::{fs::File, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    super::{event::Event, record::Kind, segment::Position},
    Journal, JournalError, Level, Slot,
    state::State,
};

/// How long a caller waits before it goes on without the disk's word.
const WAIT_AT_MOST: Duration = Duration::from_secs(1);
/// How long records for which nobody waits are gathered.
const GATHER: Duration = Duration::from_millis(5);
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The disk is that far behind: no more intents.
const BYTES_BEHIND: usize = 16 << 20;

#[derive(Debug)]
struct Record {
    place: Position,
    kind: Kind,
    frame: Vec<u8>,
}

/// What is written and not confirmed by the disk.
#[derive(Debug, Default)]
pub(super) struct Unsynchronised {
    records: Vec<Record>,
    bytes: usize,
    /// Segments that were filled meanwhile.
    sealed: Vec<Arc<File>>,
}

impl Unsynchronised {
    pub(super) fn add(&mut self, place: Position, kind: Kind, frame: &[u8]) {
        self.bytes += frame.len();
        self.records.push(Record { place, kind, frame: frame.to_vec() });
    }

    pub(super) fn sealed(&mut self, file: Arc<File>) {
        self.sealed.push(file);
    }

    pub(super) const fn too_far_behind(&self) -> bool {
        self.bytes > BYTES_BEHIND
    }

    fn confirm(&mut self, records: usize, files: usize) {
        self.bytes -= self.records.drain(..records).map(|record| record.frame.len()).sum::<usize>();
        self.sealed.drain(..files);
    }
}

/// One synchronisation: these files, and what it confirms.
struct Round {
    files: Vec<Arc<File>>,
    sealed: usize,
    records: usize,
    appended: u64,
}

impl Journal {
    /// Finishes, and waits for the disk's word where the level asks for it.
    pub(in super::super) async fn finish_durable(&self, slot: Slot, event: &Event) -> Result<(), JournalError> {
        let appended = self.finish(slot, event);
        if self.options.level == Level::Process {
            return appended.map(|_| ()).ok_or(JournalError::NotSynchronised);
        }
        let appended = appended.ok_or(JournalError::NotSynchronised)?;
        self.awaited.notify_one();
        let mut synchronised = self.synchronised.subscribe();
        match tokio::time::timeout(WAIT_AT_MOST, synchronised.wait_for(|count| *count >= appended)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(JournalError::NotSynchronised),
        }
    }

    pub(in super::super) async fn keep_synchronised(self: Arc<Self>, stop: CancellationToken) {
        if self.options.level == Level::Process {
            return;
        }
        while !stop.is_cancelled() {
            self.synchronise.prepare();
            if !self.is_behind() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.synchronise.wait() => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.awaited.notified() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
            if !self.synchronise_aside().await {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
        self.synchronise_aside().await;
    }

    async fn synchronise_aside(self: &Arc<Self>) -> bool {
        let journal = Arc::clone(self);
        tokio::task::spawn_blocking(move || journal.synchronise_once()).await.unwrap_or(false)
    }

    fn is_behind(&self) -> bool {
        self.state.lock().unsynchronised.as_ref().is_some_and(|behind| !behind.records.is_empty())
    }

    /// Blocking. `false`: the disk refused, and what it did not confirm is on its way into another segment.
    pub(super) fn synchronise_once(&self) -> bool {
        let Some(round) = self.state.lock().round() else { return true };
        let result = round.files.iter().try_for_each(|file| file.sync_data());
        let mut state = self.state.lock();
        match result {
            Ok(()) => {
                if let Some(behind) = &mut state.unsynchronised {
                    behind.confirm(round.records, round.sealed);
                }
                drop(state);
                self.synchronised.send_replace(round.appended);
                true
            }
            Err(error) => {
                state.failure = Some(error);
                state.rewrite();
                state.chores_called = false;
                self.after(&mut state);
                false
            }
        }
    }
}

impl State {
    fn round(&self) -> Option<Round> {
        let behind = self.unsynchronised.as_ref().filter(|behind| !behind.records.is_empty())?;
        Some(Round {
            files: behind.sealed.iter().chain(&self.active).cloned().collect(),
            sealed: behind.sealed.len(),
            records: behind.records.len(),
            appended: self.appended,
        })
    }

    /// Writes what is not confirmed into another segment. The old one stays as it is: what is there twice is reported
    /// twice, with the same id.
    fn rewrite(&mut self) {
        self.seal();
        let Some(behind) = self.unsynchronised.replace(Unsynchronised::default()) else { return };
        let mut records = behind.records.into_iter();
        for mut record in records.by_ref() {
            let Ok(place) = self.append(record.kind, &mut record.frame) else {
                self.keep_behind(&record);
                break;
            };
            if let Some(slot) = self.open.at(record.place) {
                self.relocate(slot, place);
            }
        }
        for record in records {
            self.keep_behind(&record);
        }
    }

    /// Neither the disk nor another segment takes it: it waits for the next round.
    fn keep_behind(&mut self, record: &Record) {
        self.refusing = true;
        if let Some(behind) = &mut self.unsynchronised {
            behind.add(record.place, record.kind, &record.frame);
        }
    }
}
