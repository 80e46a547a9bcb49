//! Where the latest record of every open request is.

use super::{super::segment::Position, Slot};

/// A slab: inserting and removing cost a few nanoseconds, under the journal's lock.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    places: Vec<Option<Position>>,
    free: Vec<u32>,
}

impl OpenRequests {
    pub(super) fn insert(&mut self, place: Position) -> Slot {
        if let Some(index) = self.free.pop() {
            self.places[index as usize] = Some(place);
            return Slot(index);
        }
        self.places.push(Some(place));
        Slot(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Position> {
        let place = self.places.get_mut(slot.0 as usize)?.take()?;
        self.free.push(slot.0);
        Some(place)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<Position> {
        *self.places.get(slot.0 as usize)?
    }

    /// The old place.
    pub(super) fn relocate(&mut self, slot: Slot, place: Position) -> Option<Position> {
        self.places.get_mut(slot.0 as usize)?.as_mut().map(|old| std::mem::replace(old, place))
    }

    pub(super) const fn len(&self) -> u64 {
        (self.places.len() - self.free.len()) as u64
    }

    pub(super) fn in_segment(&self, segment: u64) -> Vec<Slot> {
        self.find(|place| place.segment == segment).collect()
    }

    pub(super) fn at(&self, position: Position) -> Option<Slot> {
        self.find(|place| place == position).next()
    }

    fn find(&self, wanted: impl Fn(Position) -> bool) -> impl Iterator<Item = Slot> {
        (0_u32..).zip(&self.places).filter(move |(_, place)| place.is_some_and(&wanted)).map(|(index, _)| Slot(index))
    }
}
