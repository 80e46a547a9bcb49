//! Room: segments that are made and not used yet, and whether what must fit will.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    time::{Duration, Instant},
};

use super::{
    super::segment::{self, FINAL_RESERVE, Name},
    JournalOptions, Level,
};

/// After the disk refused a segment, nobody asks it again so soon: each refused request would.
const ASK_THE_DISK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The smallest segment that is made when there is no room for a whole one and something must be written.
const SMALLEST_BYTES: u64 = 16 << 10;

/// A segment that is allocated and empty.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) name: Name,
    pub(super) file: File,
    pub(super) size: u64,
}

/// What a new segment may be, decided under the lock; making it needs none.
#[derive(Debug)]
pub(super) struct Blueprint {
    name: Name,
    size: u64,
    durable: bool,
}

impl Blueprint {
    pub(super) fn make(self) -> io::Result<Spare> {
        let file = segment::create(&self.name, self.size, self.durable)?;
        Ok(Spare { name: self.name, file, size: self.size })
    }
}

#[derive(Debug)]
pub(super) struct Space {
    options: JournalOptions,
    next_id: u64,
    spares: VecDeque<Spare>,
    /// Bytes of all segments on disk, the spares included.
    pub(super) allocated: u64,
    ask_again_at: Option<Instant>,
}

impl Space {
    pub(super) fn new(options: JournalOptions, next_id: u64, allocated: u64) -> Self {
        Self { options, next_id, spares: VecDeque::new(), allocated, ask_again_at: None }
    }

    /// Whether a record of `length` fits so that `finals` more do for certain; `left` is what the active segment has.
    pub(super) fn suffices(&self, left: u64, length: u64, finals: u64) -> bool {
        let mut sizes = self.spares.iter().map(|spare| spare.size);
        let first = if left >= length { left } else { sizes.find(|size| *size >= length).unwrap_or(0) };
        if first < length {
            return false;
        }
        let mut room = (first - length) / FINAL_RESERVE;
        room >= finals
            || sizes.any(|size| {
                room += size / FINAL_RESERVE;
                room >= finals
            })
    }

    /// So much of the bound that long requests should not keep it.
    pub(super) const fn is_much(&self, bytes: u64) -> bool {
        bytes >= self.options.max_bytes / 8
    }

    /// Spares that should be there, so that no request waits for one.
    pub(super) fn wanted(&self, open: u64) -> u64 {
        1 + open * FINAL_RESERVE / self.options.segment_bytes
    }

    pub(super) fn spares(&self) -> u64 {
        self.spares.len() as u64
    }

    pub(super) fn take(&mut self) -> Option<Spare> {
        self.spares.pop_front()
    }

    /// A spare that nobody wants any more; one more than wanted is kept, so that few are made and removed in turn.
    pub(super) fn surplus(&mut self, open: u64) -> Option<Spare> {
        if self.spares() <= self.wanted(open) + 1 {
            return None;
        }
        let spare = self.spares.pop_back()?;
        self.allocated -= spare.size;
        Some(spare)
    }

    /// A segment within the bound.
    pub(super) fn plan(&mut self) -> Option<Blueprint> {
        let size = self.options.segment_bytes;
        let asked = self.ask_again_at.is_some_and(|at| Instant::now() < at);
        (!asked && self.allocated + size <= self.options.max_bytes).then(|| self.blueprint(size))
    }

    fn blueprint(&mut self, size: u64) -> Blueprint {
        let name = Name::new(&self.options.directory, self.next_id, fastrand::u32(..));
        self.next_id += 1;
        Blueprint { name, size, durable: self.options.level == Level::Host }
    }

    /// Makes a segment here and now.
    pub(super) fn grow(&mut self) -> io::Result<bool> {
        let Some(blueprint) = self.plan() else { return Ok(false) };
        let made = blueprint.make();
        self.made(made).map(|()| true)
    }

    /// Makes a segment for what must be written although the bound is reached, as large as the disk allows.
    pub(super) fn grow_beyond_bound(&mut self) -> io::Result<()> {
        let mut size = self.options.segment_bytes;
        loop {
            let made = self.blueprint(size).make();
            if made.is_ok() || size / 4 < SMALLEST_BYTES {
                return self.made(made);
            }
            size /= 4;
        }
    }

    /// Takes what came of a blueprint.
    pub(super) fn made(&mut self, made: io::Result<Spare>) -> io::Result<()> {
        match made {
            Ok(spare) => {
                self.ask_again_at = None;
                // Ids must rise; one that was overtaken while it was made is of no use.
                if spare.name.id + 1 < self.next_id {
                    return std::fs::remove_file(&spare.name.path);
                }
                self.allocated += spare.size;
                self.spares.push_back(spare);
                Ok(())
            }
            Err(error) => {
                self.ask_again_at = Some(Instant::now() + ASK_THE_DISK_AGAIN_AFTER);
                Err(error)
            }
        }
    }
}
