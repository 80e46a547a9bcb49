//! Reading events back, in the order in which they were written, and letting go of what is acknowledged.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use tollgate_shared::clock::UnixMicros;

use super::{
    super::{
        record::{self, Final, Kind, Malformed},
        segment::{self, MAX_FRAME, Position, Scanner},
    },
    Journal,
};

/// Read at a time at most.
const PART_BYTES: usize = 256 << 10;

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    pub(in super::super) events: u64,
    /// Of the records, not of what they become.
    pub(in super::super) bytes: usize,
}

/// Where reading came to.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Part {
    /// Where the next part begins.
    pub(in super::super) end: Position,
    /// Records of finals that were passed, those that could not be read included.
    pub(in super::super) finals: u64,
    /// When the last one ended.
    pub(in super::super) last_ended: Option<UnixMicros>,
    /// All events of the journal, when this part reached its end.
    pub(in super::super) complete: Option<u64>,
}

/// A stretch of one segment to read.
struct Stretch {
    file: Source,
    salt: u32,
    from: Position,
    end: u64,
}

enum Source {
    Active(Arc<File>),
    Sealed(PathBuf),
}

impl Stretch {
    /// At most `length` bytes, and whether they reach the end.
    fn read(&self, length: usize) -> io::Result<(Vec<u8>, bool)> {
        let length = (self.end - self.from.offset).min(length as u64);
        let opened;
        let file = match &self.file {
            Source::Active(file) => file.as_ref(),
            Source::Sealed(path) => {
                opened = File::open(path)?;
                &opened
            }
        };
        let bytes = segment::read_past_errors(file, self.from.offset, usize::try_from(length).unwrap_or(usize::MAX))?;
        // A file that is shorter than it was has nothing more to give either.
        let last = self.from.offset + length == self.end || (bytes.len() as u64) < length;
        Ok((bytes, last))
    }
}

impl Journal {
    /// Where delivery begins.
    pub(in super::super) fn acknowledged_position(&self) -> Position {
        self.state.lock().acknowledged
    }

    /// Resolves when there is something behind `position`.
    pub(in super::super) async fn more_than(&self, position: Position) {
        loop {
            self.delivery.prepare();
            if self.stretch(position).is_ok() {
                return;
            }
            self.delivery.wait().await;
        }
    }

    /// Resolves when somebody waits for delivery.
    pub(in super::super) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// Resolves when every event that is written now is acknowledged.
    pub(in super::super) async fn delivered(&self) {
        let wanted = self.gauges.finals();
        if self.gauges.depth() == 0 {
            return;
        }
        let mut acknowledged = self.acknowledged.subscribe();
        self.hurry.notify_one();
        let _ = acknowledged.wait_for(|count| *count >= wanted).await;
    }

    /// Blocking: gives the events behind `from` to `take`, one after the other.
    pub(in super::super) fn read(
        &self,
        from: Position,
        limits: Limits,
        mut take: impl FnMut(Final<'_>) -> Result<(), Malformed>,
    ) -> io::Result<Part> {
        let mut part = Part { end: from, ..Part::default() };
        let mut bytes = 0;
        // More than the longest frame, so that every stretch with a record has a whole one.
        let at_a_time = PART_BYTES.min(MAX_FRAME + limits.bytes);
        while !limits.reached(part.finals, bytes) {
            let stretch = match self.stretch(part.end) {
                Ok(stretch) => stretch,
                Err(finals) => {
                    part.complete = Some(finals);
                    break;
                }
            };
            let (data, last) = match stretch.read(at_a_time) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.options.directory.is_dir() => {
                    tracing::error!(
                        segment = stretch.from.segment,
                        "a journal segment is gone; what it held is not reported"
                    );
                    self.gauges.count_damaged(1);
                    (Vec::new(), true)
                }
                read => read?,
            };
            let mut scanner = Scanner::new(&data, stretch.salt, stretch.from.offset, last);
            while !limits.reached(part.finals, bytes)
                && let Some(frame) = scanner.next()
            {
                if frame.kind == Kind::Final {
                    part.take(frame.payload, &mut take);
                    bytes += frame.payload.len();
                }
            }
            self.gauges.count_damaged(scanner.damaged());
            let whole = last && !limits.reached(part.finals, bytes);
            let read_to = if whole { stretch.end } else { scanner.resume_at() };
            part.end = Position { segment: stretch.from.segment, offset: read_to };
        }
        Ok(part)
    }

    /// The next stretch behind `position`, or the number of all events when there is none.
    fn stretch(&self, position: Position) -> Result<Stretch, u64> {
        let state = self.state.lock();
        let first = state.segments.partition_point(|segment| segment.name.id < position.segment);
        let found = state.segments.iter().enumerate().skip(first).find_map(|(index, segment)| {
            let offset = if segment.name.id == position.segment { position.offset } else { 0 };
            (offset < segment.end).then_some((index, segment, offset))
        });
        let (index, segment, offset) = found.ok_or(state.finals)?;
        let active = state.active.as_ref().filter(|_| index + 1 == state.segments.len());
        Ok(Stretch {
            file: active.map_or_else(|| Source::Sealed(segment.name.path.clone()), |file| Source::Active(file.clone())),
            salt: segment.name.salt,
            from: Position { segment: segment.name.id, offset },
            end: segment.end,
        })
    }

    /// Everything before `end` is acknowledged: `finals` more events than before.
    pub(in super::super) fn acknowledge(&self, end: Position, finals: u64, last_ended: Option<UnixMicros>) {
        let mut state = self.state.lock();
        state.acknowledged = state.acknowledged.max(end);
        let total = (self.gauges.acknowledged() + finals).min(state.finals);
        self.settle(&mut state, total, last_ended);
    }

    /// Everything before `end` is acknowledged, and those are all of the first `total` events, also when some of them
    /// could not be read any more.
    pub(in super::super) fn acknowledge_all(&self, end: Position, total: u64) {
        let mut state = self.state.lock();
        state.acknowledged = state.acknowledged.max(end);
        let total = total.max(self.gauges.acknowledged());
        self.settle(&mut state, total, None);
    }

    fn settle(&self, state: &mut super::State, total: u64, last_ended: Option<UnixMicros>) {
        self.gauges.acknowledge(total, last_ended);
        self.acknowledged.send_replace(total);
        if state.wants_upkeep() {
            self.chores.notify_one();
        }
    }
}

impl Limits {
    const fn reached(self, events: u64, bytes: usize) -> bool {
        events >= self.events || bytes >= self.bytes
    }
}

impl Part {
    fn take(&mut self, payload: &[u8], take: impl FnOnce(Final<'_>) -> Result<(), Malformed>) {
        self.finals += 1;
        let taken = record::decode_final(payload).and_then(|event| {
            self.last_ended =
                i64::try_from(event.duration.as_micros()).ok().map(|took| event.started_at.saturating_add(took));
            take(event)
        });
        if let Err(error) = taken {
            tracing::error!(%error, "an event in the usage journal cannot be read and is not reported");
        }
    }
}
