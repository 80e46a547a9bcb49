//! What the journal's lock guards: the segments, the open requests, and what is still to be written.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt, sync::Arc};

use tollgate_shared::clock::UnixMicros;

use super::{
    super::{
        record::{self, Detail, Kind, Open},
        segment::{self, FINAL_RESERVE, Name, Position},
    },
    JournalError, Slot, frame_final,
    open_requests::OpenRequests,
    space::Space,
    synchronise::Unsynchronised,
};

/// A segment that holds records.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    /// Bytes of records.
    pub(super) end: u64,
    /// Bytes on disk.
    pub(super) size: u64,
    /// Open requests that have their place here.
    pub(super) open: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) space: Space,
    /// Oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// The last segment's file while it is written to.
    pub(super) active: Option<Arc<File>>,
    pub(super) open: OpenRequests,
    /// Events that were written since the start, and those that were found then.
    pub(super) finals: u64,
    /// Records that were written since the start.
    pub(super) appended: u64,
    /// Bytes of records in all segments.
    pub(super) used: u64,
    /// Everything before it is acknowledged.
    pub(super) acknowledged: Position,
    /// Finals that the disk refused, each with the request that it ends.
    pub(super) limbo: VecDeque<(Slot, Vec<u8>)>,
    /// Requests that were interrupted and are not reported yet.
    pub(super) orphans: Vec<Slot>,
    /// The last intent was refused.
    pub(super) refusing: bool,
    /// What the disk said last; taken by who logs it.
    pub(super) failure: Option<io::Error>,
    pub(super) chores_called: bool,
    /// More is acknowledged than is written down.
    pub(super) cursor_is_old: bool,
    /// Level `Host` alone.
    pub(super) unsynchronised: Option<Unsynchronised>,
}

impl State {
    pub(super) fn begin(&mut self, frame: &mut [u8]) -> Result<Slot, JournalError> {
        self.refusing = true;
        let behind = self.unsynchronised.as_ref().is_some_and(Unsynchronised::too_far_behind);
        if behind || !self.limbo.is_empty() || !self.make_room(frame.len() as u64, self.open.len() + 1) {
            return Err(JournalError::Full);
        }
        let place = self.append(Kind::Open, frame).map_err(|_| JournalError::Full)?;
        self.refusing = false;
        self.count_open(place.segment, 1);
        Ok(self.open.insert(place))
    }

    pub(super) fn finish(&mut self, slot: Slot, frame: &mut [u8]) -> Result<(), JournalError> {
        self.append(Kind::Final, frame)?;
        self.close(slot);
        Ok(())
    }

    /// Whether a final of this length leaves the others their reserve.
    pub(super) fn has_room_for_final(&self, length: usize) -> bool {
        self.has_room(length as u64, self.open.len().saturating_sub(1))
    }

    pub(super) fn keep_in_limbo(&mut self, slot: Slot, frame: &[u8]) {
        self.limbo.push_back((slot, frame.to_vec()));
        self.chores_called = false;
    }

    /// An event without an intent. `false`: there is no room for it.
    pub(super) fn record(&mut self, frame: &mut [u8]) -> bool {
        self.limbo.is_empty()
            && self.make_room(frame.len() as u64, self.open.len())
            && self.append(Kind::Final, frame).is_ok()
    }

    /// Writes the event of a request whose end nobody told; one that cannot be written now is an orphan.
    pub(super) fn interrupt(&mut self, slot: Slot, now: Option<UnixMicros>) {
        let Some(mut open) = self.read_open(slot) else {
            // Neither the disk nor anybody else knows what it was.
            self.close(slot);
            return;
        };
        if let Some(now) = now {
            open.elapsed = open.elapsed_at(now);
        }
        let event = open.interrupted();
        let mut frame = Vec::new();
        frame_final(&event, Detail::Everything, &mut frame);
        if !self.has_room_for_final(frame.len()) {
            frame_final(&event, Detail::Accounting, &mut frame);
        }
        if self.finish(slot, &mut frame).is_err() {
            self.orphans.push(slot);
            self.chores_called = false;
        }
    }

    /// Writes an open request's record anew, changed; it has its place there from then on.
    pub(super) fn amend(&mut self, slot: Slot, change: impl FnOnce(&mut Open)) -> bool {
        let Some(mut open) = self.read_open(slot) else { return false };
        change(&mut open);
        let mut frame = Vec::new();
        segment::start_frame(Kind::Open, &mut frame);
        open.encode(&mut frame);
        if !segment::seal_frame(&mut frame) || !self.make_room(frame.len() as u64, self.open.len()) {
            return false;
        }
        self.append(Kind::Open, &mut frame).is_ok_and(|place| {
            self.relocate(slot, place);
            true
        })
    }

    pub(super) fn relocate(&mut self, slot: Slot, place: Position) {
        if let Some(old) = self.open.relocate(slot, place) {
            self.count_open(old.segment, -1);
            self.count_open(place.segment, 1);
        }
    }

    fn close(&mut self, slot: Slot) {
        if let Some(place) = self.open.remove(slot) {
            self.count_open(place.segment, -1);
        }
    }

    fn read_open(&mut self, slot: Slot) -> Option<Open> {
        let place = self.open.get(slot)?;
        let index = self.find(place.segment)?;
        let name = &self.segments.get(index)?.name;
        let file = match &self.active {
            Some(active) if index + 1 == self.segments.len() => Ok(Arc::clone(active)),
            _ => File::open(&name.path).map(Arc::new),
        };
        match file.and_then(|file| segment::read_record(&file, name.salt, place.offset)) {
            Ok(Some((Kind::Open, payload))) => record::decode_open(&payload).ok(),
            Ok(_) => None,
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    /// Tries again what the disk refused.
    pub(super) fn retry(&mut self) {
        while let Some((slot, mut frame)) = self.limbo.pop_front() {
            if !self.insist_on_room(frame.len() as u64) || self.finish(slot, &mut frame).is_err() {
                self.limbo.push_front((slot, frame));
                return;
            }
        }
        for slot in std::mem::take(&mut self.orphans) {
            if self.insist_on_room(FINAL_RESERVE) {
                self.interrupt(slot, None);
            } else {
                self.orphans.push(slot);
            }
        }
    }

    /// Writes a frame behind the last one, and once more into another segment when the disk refuses.
    pub(super) fn append(&mut self, kind: Kind, frame: &mut [u8]) -> Result<Position, JournalError> {
        for _ in 0..2 {
            if self.left() < frame.len() as u64 {
                self.roll(frame.len())?;
            }
            match self.write(frame) {
                Ok(place) => {
                    self.appended += 1;
                    self.finals += u64::from(kind == Kind::Final);
                    if let Some(unsynchronised) = &mut self.unsynchronised {
                        unsynchronised.add(place, kind, frame);
                    }
                    return Ok(place);
                }
                Err(error) => {
                    self.failure = Some(error);
                    self.seal();
                }
            }
        }
        Err(JournalError::Full)
    }

    /// What a failed write left behind the end is overwritten, or cut at the next start.
    fn write(&mut self, frame: &mut [u8]) -> io::Result<Position> {
        let (Some(file), Some(segment)) = (&self.active, self.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        segment::salt_frame(frame, segment.name.salt);
        let written = file.write_all_at(frame, segment.end);
        segment::salt_frame(frame, segment.name.salt);
        written?;
        let place = Position { segment: segment.name.id, offset: segment.end };
        segment.end += frame.len() as u64;
        self.used += frame.len() as u64;
        Ok(place)
    }

    /// Nothing more goes into the active segment.
    pub(super) fn seal(&mut self) {
        if let (Some(file), Some(unsynchronised)) = (self.active.take(), &mut self.unsynchronised) {
            unsynchronised.sealed(file);
        }
    }

    /// Goes on in a spare that has room for `length`.
    fn roll(&mut self, length: usize) -> Result<(), JournalError> {
        self.seal();
        loop {
            let Some(spare) = self.space.take() else {
                if self.grow() {
                    continue;
                }
                return Err(JournalError::Full);
            };
            let fits = spare.size >= length as u64;
            self.segments.push_back(Segment { name: spare.name, end: 0, size: spare.size, open: 0 });
            if fits {
                self.active = Some(Arc::new(spare.file));
                return Ok(());
            }
        }
    }

    fn left(&self) -> u64 {
        match (&self.active, self.segments.back()) {
            (Some(_), Some(segment)) => segment.size - segment.end,
            _ => 0,
        }
    }

    fn has_room(&self, length: u64, finals: u64) -> bool {
        self.space.suffices(self.left(), length, finals)
    }

    pub(super) fn make_room(&mut self, length: u64, finals: u64) -> bool {
        while !self.has_room(length, finals) {
            if !self.grow() {
                return false;
            }
        }
        true
    }

    /// Room for what must be written so that space can be freed again: beyond the bound if need be.
    fn insist_on_room(&mut self, length: u64) -> bool {
        self.make_room(length, 0) || {
            let grown = self.space.grow_beyond_bound();
            self.note(grown.map(|()| true)) && self.has_room(length, 0)
        }
    }

    fn grow(&mut self) -> bool {
        let grown = self.space.grow();
        self.note(grown)
    }

    fn note(&mut self, result: io::Result<bool>) -> bool {
        result.unwrap_or_else(|error| {
            self.failure = Some(error);
            false
        })
    }

    pub(super) fn find(&self, segment: u64) -> Option<usize> {
        let last = self.segments.len().checked_sub(1)?;
        if self.segments[last].name.id == segment {
            return Some(last);
        }
        self.segments.binary_search_by_key(&segment, |segment| segment.name.id).ok()
    }

    fn count_open(&mut self, segment: u64, change: i64) {
        if let Some(index) = self.find(segment) {
            let open = &mut self.segments[index].open;
            *open = open.saturating_add_signed(change);
        }
    }

    /// Whether somebody should be called; says so once until [`State::chores_called`] is taken back.
    pub(super) fn wants_chores(&mut self) -> bool {
        let wanted = !self.chores_called
            && (self.space.spares() < self.space.wanted(self.open.len())
                || !self.limbo.is_empty()
                || !self.orphans.is_empty()
                || self.failure.is_some()
                || self.refusing);
        self.chores_called |= wanted;
        wanted
    }

    /// Whether somebody should be called, after something was acknowledged: at once when a segment is spent, and else
    /// once, for writing down in a while how far it went.
    pub(super) fn wants_upkeep(&mut self) -> bool {
        let spent = self.oldest_is_spent() || self.held_back().is_some();
        let first = !std::mem::replace(&mut self.cursor_is_old, true);
        self.chores_called |= spent;
        spent || first
    }

    /// Everything in the oldest segment is acknowledged, and it is not written to.
    fn oldest_is_delivered(&self) -> Option<&Segment> {
        let active = self.active.is_some() && self.segments.len() == 1;
        let oldest = self.segments.front().filter(|_| !active)?;
        (self.acknowledged >= Position { segment: oldest.name.id, offset: oldest.end }).then_some(oldest)
    }

    fn oldest_is_spent(&self) -> bool {
        self.oldest_is_delivered().is_some_and(|oldest| oldest.open == 0)
    }

    /// A delivered segment that only open requests keep, when much follows it.
    pub(super) fn held_back(&self) -> Option<u64> {
        let oldest = self.oldest_is_delivered()?;
        (oldest.open > 0 && self.space.is_much(self.used - oldest.end)).then_some(oldest.name.id)
    }

    /// The oldest segment, when nothing in it is needed any more.
    pub(super) fn take_spent(&mut self) -> Option<Segment> {
        if !self.oldest_is_spent() {
            return None;
        }
        let spent = self.segments.pop_front()?;
        self.used -= spent.end;
        self.space.allocated -= spent.size;
        Some(spent)
    }
}
