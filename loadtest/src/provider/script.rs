//! How one answer goes over the wire: a plan, its timing, and where it breaks.
//!
//! Both transports play the same script through [`Player`], so a fault means the same over
//! HTTP/1.1 and h2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::plan::{Body, Plan};
use super::template::{Stamp, Template};
use super::usage::Usage;

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) plan: Arc<Plan>,
    /// Before the head.
    pub(crate) delay: Duration,
    /// Before each paced chunk.
    pub(crate) gap: Duration,
    /// Cut every event into pieces of so many bytes.
    pub(crate) split_bytes: Option<usize>,
    /// Send a whole body in pieces, so far apart.
    pub(crate) drip: Option<Duration>,
    /// What happens instead of the head.
    pub(crate) instead: Option<Break>,
    /// What happens after so many chunks.
    pub(crate) stop: Option<Stop>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) after_chunks: usize,
    pub(crate) how: Break,
}

#[derive(Clone, Debug)]
pub(crate) enum Break {
    /// Silence; the connection stays open.
    Hang,
    /// An orderly end of the connection, not of the answer.
    Close,
    /// RST.
    Reset,
    /// A last event, then an orderly end of the answer.
    LastWords(Template),
}

impl Script {
    pub(crate) fn plain(plan: Arc<Plan>) -> Self {
        let zero = Duration::ZERO;
        Self { plan, delay: zero, gap: zero, split_bytes: None, drip: None, instead: None, stop: None }
    }

    /// Nothing can happen but the whole body right behind the head.
    pub(crate) fn is_simple(&self) -> bool {
        self.instead.is_none() && self.stop.is_none() && self.drip.is_none() && !self.plan.is_stream()
    }
}

/// The next thing to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write this when so much time has passed since the head.
    Send {
        due: Duration,
        payload: Bytes,
    },
    Break(Break),
    Done,
}

/// A script, and how far it was played.
#[derive(Debug)]
pub(crate) struct Player {
    script: Script,
    stamp: Stamp,
    next: usize,
    due: Duration,
    /// Rest of an event or body that is being cut into pieces.
    rest: Bytes,
    spoken_last: bool,
}

/// Into how many pieces a whole body drips.
const DRIPS: usize = 20;

impl Player {
    pub(crate) fn new(script: Script, stamp: Stamp) -> Self {
        Self { script, stamp, next: 0, due: Duration::ZERO, rest: Bytes::new(), spoken_last: false }
    }

    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    pub(crate) fn next(&mut self) -> Action {
        if !self.rest.is_empty() {
            return self.piece();
        }
        if self.spoken_last {
            return Action::Done;
        }
        let plan = Arc::clone(&self.script.plan);
        match &plan.body {
            Body::Stream(chunks) => {
                if let Some(action) = self.stopped(chunks.len()) {
                    return action;
                }
                let Some(chunk) = chunks.get(self.next) else { return Action::Done };
                self.next += 1;
                if chunk.paced {
                    self.due += self.script.gap;
                }
                self.rest = chunk.payload.rendered(&self.stamp);
                self.piece()
            }
            Body::Whole(template) => {
                if self.next > 0 {
                    return self.stopped(0).unwrap_or(Action::Done);
                }
                self.next = 1;
                self.rest = template.rendered(&self.stamp);
                if self.script.stop.is_some() {
                    // Half an answer: there are no chunks to count.
                    self.rest.truncate(template.len() / 2);
                }
                if self.rest.is_empty() { self.next() } else { self.piece() }
            }
        }
    }

    fn stopped(&mut self, chunks: usize) -> Option<Action> {
        let stop = self.script.stop.as_ref()?;
        if self.next < stop.after_chunks.min(chunks) {
            return None;
        }
        if let Break::LastWords(words) = &stop.how {
            self.spoken_last = true;
            self.due += self.script.gap;
            return Some(Action::Send { due: self.due, payload: words.rendered(&self.stamp) });
        }
        Some(Action::Break(stop.how.clone()))
    }

    fn piece(&mut self) -> Action {
        let whole = !self.script.plan.is_stream();
        let length = match (whole, self.script.drip, self.script.split_bytes) {
            (true, Some(gap), _) => {
                self.due += gap;
                self.full_length().div_ceil(DRIPS)
            }
            (false, _, Some(bytes)) => bytes,
            _ => usize::MAX,
        };
        let payload = self.rest.split_to(length.clamp(1, self.rest.len().max(1)).min(self.rest.len()));
        Action::Send { due: self.due, payload }
    }

    fn full_length(&self) -> usize {
        match &self.script.plan.body {
            Body::Whole(template) => template.len(),
            Body::Stream(_) => 0,
        }
    }

    /// What the provider has generated up to here. `completed`: the answer was written to its end.
    pub(crate) fn generated(&self, completed: bool) -> Usage {
        let usage = self.script.plan.usage;
        match &self.script.plan.body {
            _ if completed && !self.spoken_last => usage,
            Body::Whole(_) => usage,
            Body::Stream(chunks) => {
                let last = self.next.checked_sub(1).and_then(|last| chunks.get(last));
                usage.with_output(last.map(|chunk| chunk.generated).unwrap_or_default())
            }
        }
    }
}
