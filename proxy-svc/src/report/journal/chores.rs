//! What is done beside the requests: making spare segments, removing spent ones, remembering what is acknowledged,
//! and trying again what the disk refused.

use std::{
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{super::segment::Position, Journal, Pressure, recovery::Cursor, state::State};

/// How often the disk is asked again while something is refused, and what is acknowledged is written down.
const IN_A_WHILE: Duration = Duration::from_secs(1);
/// A failure that goes on is logged again.
const SAY_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// However often it is called.
const NOT_SOONER_THAN: Duration = Duration::from_millis(20);
/// An intent is never longer.
const LONGEST_INTENT: u64 = 4096;
/// Open requests that are moved at a time, so that the lock is not held for long.
const CARRIED_AT_A_TIME: usize = 16;

/// When there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    InAWhile,
    WhenCalled,
}

/// What was said last, so that it is said once.
#[derive(Debug, Default)]
pub(super) struct Said {
    pressure: Pressure,
    cursor: Position,
    /// What the disk said, and when that was logged.
    failure: Option<(ErrorKind, Instant)>,
}

impl Said {
    /// Whether a failure is worth a line: another one than before, or the same one for long.
    fn is_news(&mut self, kind: ErrorKind) -> bool {
        let old = self.failure.is_some_and(|(before, at)| before == kind && at.elapsed() < SAY_AGAIN_AFTER);
        if !old {
            self.failure = Some((kind, Instant::now()));
        }
        !old
    }
}

impl Journal {
    pub(in super::super) async fn keep_house(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.chores.notified(), if due != Due::Now => {}
                () = tokio::time::sleep(IN_A_WHILE), if due == Due::InAWhile => self.do_chores_aside().await,
                () = std::future::ready(()), if due == Due::Now => {
                    self.do_chores_aside().await;
                    tokio::time::sleep(NOT_SOONER_THAN).await;
                }
            }
        }
        self.do_chores_aside().await;
    }

    async fn do_chores_aside(self: &Arc<Self>) {
        let journal = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || journal.do_chores()).await {
            tracing::error!(%error, "looking after the usage journal failed");
        }
    }

    fn due(&self) -> Due {
        let state = self.state.lock();
        if state.chores_called {
            Due::Now
        } else if state.cursor_is_old || state.refusing || !state.limbo.is_empty() || !state.orphans.is_empty() {
            Due::InAWhile
        } else {
            Due::WhenCalled
        }
    }

    /// Blocking; each part takes the lock for itself and not for long.
    pub(super) fn do_chores(&self) {
        self.state.lock().chores_called = false;
        self.remember_acknowledged();
        self.remove_spent();
        self.with_state(State::retry);
        self.release_spares();
        self.prepare_spares();
        self.carry_open_requests();
        self.with_state(State::reconsider);
        self.say();
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let finals = state.finals;
        let result = act(&mut state);
        self.gauges.publish(&state, &self.options);
        let more = state.finals > finals;
        drop(state);
        if more {
            self.delivery.ring();
        }
        result
    }

    fn remember_acknowledged(&self) {
        let position = {
            let mut state = self.state.lock();
            state.cursor_is_old = false;
            state.acknowledged
        };
        let mut said = self.said.lock();
        if said.cursor == position {
            return;
        }
        match Cursor::write(&self.options.directory, position) {
            Ok(()) => said.cursor = position,
            // The events behind the old cursor are sent once more after a restart: no harm.
            Err(error) => self.state.lock().failure = Some(error),
        }
    }

    fn remove_spent(&self) {
        while let Some(spent) = self.with_state(State::take_spent) {
            if let Err(error) = std::fs::remove_file(&spent.name.path) {
                tracing::warn!(%error, path = %spent.name.path.display(), "a spent journal segment could not be removed");
            }
        }
    }

    /// Many open requests at a time want many spares; afterwards the room is given back.
    fn release_spares(&self) {
        while let Some(spare) = self.with_state(|state| state.space.surplus(state.open.len())) {
            if let Err(error) = std::fs::remove_file(&spare.name.path) {
                tracing::warn!(%error, path = %spare.name.path.display(), "a spare segment could not be removed");
            }
        }
    }

    fn prepare_spares(&self) {
        loop {
            let blueprint = self.with_state(|state| {
                let short = state.space.spares() < state.space.wanted(state.open.len());
                short.then(|| state.space.plan()).flatten()
            });
            let Some(blueprint) = blueprint else { return };
            let made = blueprint.make();
            let failed = self.with_state(|state| state.space.made(made).map_err(|error| state.failure = Some(error)));
            if failed.is_err() {
                return;
            }
        }
    }

    /// Long requests must not hold back the removal of segments for ever: when the oldest segment is delivered and
    /// many follow it, its open requests get a new place.
    fn carry_open_requests(&self) {
        loop {
            let slots = self.with_state(|state| {
                let held = state.held_back()?;
                Some(state.open.in_segment(held))
            });
            let Some(slots) = slots else { return };
            for some in slots.chunks(CARRIED_AT_A_TIME) {
                let carried = self.with_state(|state| some.iter().all(|slot| state.carry(*slot)));
                if !carried {
                    return;
                }
            }
            self.remove_spent();
        }
    }

    fn say(&self) {
        let failure = self.state.lock().failure.take();
        if let Some(error) = failure
            && self.said.lock().is_news(error.kind())
        {
            tracing::error!(%error, directory = %self.options.directory.display(), "the disk refuses the usage journal");
        }
        let pressure = self.gauges.pressure();
        let before = std::mem::replace(&mut self.said.lock().pressure, pressure);
        let bytes = self.gauges.bytes();
        match pressure {
            _ if pressure == before => {}
            Pressure::Normal => tracing::info!(bytes, "the usage journal has room again"),
            Pressure::High => tracing::warn!(bytes, "the usage journal is filled above 80 %"),
            Pressure::Critical => {
                tracing::error!(bytes, "the usage journal is filled above 95 %: only accounting fields are kept");
            }
            Pressure::Full => tracing::error!(bytes, "the usage journal is full: new requests are refused"),
        }
    }
}

impl State {
    /// `false`: there is no room, or the disk refuses.
    fn carry(&mut self, slot: super::Slot) -> bool {
        // It may have finished since it was found; then there is nothing to carry.
        self.open.get(slot).is_none() || self.amend(slot, |_| {})
    }

    /// Takes requests again when there is room.
    fn reconsider(&mut self) {
        if self.refusing && self.limbo.is_empty() {
            self.refusing = !self.make_room(LONGEST_INTENT, self.open.len() + 1);
        }
    }
}
