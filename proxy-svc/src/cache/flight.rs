//! One request at a time goes upstream for an answer that many wait for.
//!
//! A flight is what is under way for one key. Its members take turns: who has the turn asks the provider, the others
//! wait. An answer that can be kept ends the flight for all of them; when the one whose turn it is fails, or its caller
//! leaves, the turn goes to the next in line, and to that one alone. A turn is a permit, so it is given back however its
//! holder ends. Locks are held for a look at one map, never across a wait; members are at most the requests in flight.

use std::{
    collections::{HashMap, hash_map::Entry as Place},
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{entry::Entry, key::EntryKey};

/// So many maps, that threads seldom meet at one.
const SHARDS: usize = 16;

/// What is under way.
pub(super) struct Flights([Mutex<HashMap<EntryKey, Arc<Flight>>>; SHARDS]);

struct Flight {
    turn: Arc<Semaphore>,
    outcome: OnceLock<Outcome>,
}

/// How a flight ended for all of its members.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Kept(Arc<Entry>),
    /// The answer is none that can be kept, and would be none the next time: each asks for itself, at once.
    NotKept,
}

/// A member of a flight.
pub(super) struct Seat<'f> {
    flights: &'f Flights,
    key: EntryKey,
    flight: Arc<Flight>,
}

/// Whoever has it asks the provider.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Flights {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    fn shard(&self, key: &EntryKey) -> &Mutex<HashMap<EntryKey, Arc<Flight>>> {
        &self.0[usize::from(key.as_bytes()[0]) % SHARDS]
    }

    /// Joins what is under way for a key, or begins it.
    pub(super) fn join(&self, key: EntryKey) -> Seat<'_> {
        let begin = || Arc::new(Flight { turn: Arc::new(Semaphore::new(1)), outcome: OnceLock::new() });
        let flight = Arc::clone(self.shard(&key).lock().entry(key).or_insert_with(begin));
        Seat { flights: self, key, flight }
    }

    /// For what is under way at the moment.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().len()).sum()
    }
}

impl Seat<'_> {
    /// The turn, or how the flight ended before it came.
    pub(super) async fn turn(&self) -> Result<Turn, Outcome> {
        match Arc::clone(&self.flight.turn).acquire_owned().await {
            Ok(permit) => Ok(Turn { _permit: permit }),
            // Closed means that there is an outcome.
            Err(_) => Err(self.flight.outcome.get().cloned().unwrap_or(Outcome::NotKept)),
        }
    }

    /// The turn, if it is free.
    pub(super) fn free_turn(&self) -> Option<Turn> {
        Arc::clone(&self.flight.turn).try_acquire_owned().ok().map(|permit| Turn { _permit: permit })
    }

    /// Ends the flight for everybody; the first outcome counts.
    pub(super) fn settle(&self, outcome: Outcome) {
        let _ = self.flight.outcome.set(outcome);
        self.flight.turn.close();
        if let Place::Occupied(place) = self.flights.shard(&self.key).lock().entry(self.key)
            && Arc::ptr_eq(place.get(), &self.flight)
        {
            place.remove();
        }
    }
}

impl Drop for Seat<'_> {
    /// The last one to leave ends the flight. Nobody joins meanwhile: the map is locked.
    fn drop(&mut self) {
        if let Place::Occupied(place) = self.flights.shard(&self.key).lock().entry(self.key)
            && Arc::ptr_eq(place.get(), &self.flight)
            && Arc::strong_count(&self.flight) == 2
        {
            place.remove();
        }
    }
}
