//! The journal: append-only segments on disk.

use std::{io, path::PathBuf};

use tollgate_shared::clock::Clock;

/// What a written record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// The death of the process: records are in the page cache before the caller goes on.
    #[default]
    Process,
    /// The death of the machine: records are also synchronised, many at a time, within 5 ms.
    Host,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    #[default]
    Normal,
    /// Above 80 %: somebody should look.
    High,
    /// Above 95 %: finals keep their accounting fields only.
    Critical,
    /// Intents are refused; finals of requests in flight still have their room.
    Full,
}

#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Belongs to one proxy process alone; created when missing.
    pub directory: PathBuf,
    pub level: Level,
    pub segment_bytes: u64,
    /// All segments together.
    pub max_bytes: u64,
    pub clock: Clock,
}

impl JournalOptions {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            level: Level::Process,
            segment_bytes: 8 << 20,
            max_bytes: 1 << 30,
            clock: Clock::system(),
        }
    }
}

/// What was found when the journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub segments: usize,
    /// Events that are not acknowledged yet, those of `interrupted` included.
    pub undelivered: u64,
    /// Intents without a final; each is now an event.
    pub interrupted: u64,
    /// Places where bytes that are no record were skipped or cut.
    pub damaged: u64,
    /// Files of a newer format that were renamed and left alone.
    pub set_aside: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The bound is reached or the disk takes no more; the request must be refused (503) and may be tried again later.
    #[error("the usage journal takes no more requests")]
    Full,
    #[error("another process uses the usage journal in {0}")]
    Locked(PathBuf),
    #[error("journal.{field}: {message}")]
    Options { field: &'static str, message: &'static str },
    #[error("usage journal: {action}: {source}")]
    Io { action: &'static str, source: io::Error },
}
