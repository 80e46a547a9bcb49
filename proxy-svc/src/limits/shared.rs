//! Counters that all proxies share, in Redis.
//!
//! A question carries everything that a request takes at one stage and is answered by one script, on Redis's clock: all
//! of it is taken or nothing. Questions of many requests are pipelined on one connection.
//!
//! Nobody waits for Redis beyond a request's [`Patience`]. The breaker is the connection itself: the first error on it,
//! or [`STRIKES`] answers in a row that did not come in time, take it out of force for everybody, and requests go by
//! their proxy's share at once. [`keeper`] puts a new one in force when Redis answers quickly again. What was counted
//! here meanwhile is not told afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use redis::{Client, Cmd, FromRedisValue, RedisError, Script, aio::MultiplexedConnection};
use tokio::sync::{Notify, mpsc};
use tollgate_shared::secret::Secret;

use super::{Patience, Want, moment::Moment};
use crate::telemetry::Metrics;

mod keeper;

pub use keeper::Keeper;

/// Answers in a row that did not come in time until the connection is given up.
const STRIKES: u32 = 3;
/// An answer that did not come within less than this says nothing of Redis.
const FAIR: Duration = Duration::from_millis(20);
/// Settlements on their way: those of a second of heavy load. When it is full they are left out and counted; what they
/// would have given back comes back by itself within the minute, what they would have taken is not counted.
const SETTLEMENTS: usize = 16_384;

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("redis_url: not an address of Redis such as redis://:password@host:6379/0")]
pub struct BadUrl;

/// The way to the shared counters.
pub struct Shared {
    live: ArcSwapOption<Live>,
    script: Script,
    settlements: mpsc::Sender<Settlement>,
    metrics: Arc<Metrics>,
}

/// A connection in force.
struct Live {
    connection: MultiplexedConnection,
    strikes: AtomicU32,
    broken: Notify,
}

/// What one counter is asked for: microseconds until it comes back, or requests of a day.
pub(super) struct Amount {
    pub(super) daily: bool,
    pub(super) take: u64,
    pub(super) most: u64,
    /// What the counter held when it was last seen from here.
    pub(super) known: u64,
    pub(super) day: u64,
}

/// Redis's answer.
pub(super) struct Asked {
    /// The first counter without room; then nothing was taken.
    pub(super) refused: Option<usize>,
    pub(super) day: u64,
    /// What each counter holds now.
    pub(super) used: Vec<u64>,
}

/// What was used beyond what was taken, or less than it (then it is negative); in the units of [`Amount`].
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) key: String,
    pub(super) daily: bool,
    pub(super) used: i64,
    pub(super) day: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("in_force", &self.is_in_force()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Opens nothing: [`Keeper::run`] does. `url` may hold a password and is never shown.
    pub fn new(url: &Secret, metrics: Arc<Metrics>) -> Result<(Arc<Self>, Keeper), BadUrl> {
        let client = Client::open(url.expose()).map_err(|_| BadUrl)?;
        let (settlements, receiver) = mpsc::channel(SETTLEMENTS);
        let script = Script::new(include_str!("shared/take.lua"));
        let shared = Arc::new(Self { live: ArcSwapOption::empty(), script, settlements, metrics });
        let keeper = Keeper::new(client, Arc::clone(&shared), receiver);
        Ok((shared, keeper))
    }

    /// Whether requests are to ask.
    pub(super) fn is_in_force(&self) -> bool {
        self.live.load().is_some()
    }

    /// `None` when there is no answer in time: then nobody knows whether it was taken.
    pub(super) async fn ask(&self, wants: &[Want<'_>], now: Moment, patience: &mut Patience) -> Option<Asked> {
        let live = self.live.load_full()?;
        let left = patience.left()?;
        let mut invocation = self.script.prepare_invoke();
        for want in wants {
            let Amount { daily, take, most, known, day } = want.amount(now);
            invocation.key(want.shared_key()).arg(if daily { "d" } else { "b" });
            invocation.arg(take).arg(most).arg(known).arg(day);
        }
        let mut connection = live.connection.clone();
        self.within(&live, patience, left, invocation.invoke_async::<Vec<u64>>(&mut connection))
            .await
            .and_then(Asked::read)
    }

    /// Asks something else that proxies share, small and rarely; `None` as in [`Shared::ask`].
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd, patience: &mut Patience) -> Option<T> {
        let live = self.live.load_full()?;
        let left = patience.left()?;
        let mut connection = live.connection.clone();
        self.within(&live, patience, left, command.query_async(&mut connection)).await
    }

    async fn within<T>(
        &self,
        live: &Arc<Live>,
        patience: &mut Patience,
        left: Duration,
        asked: impl Future<Output = Result<T, RedisError>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let answer = tokio::time::timeout(left, asked).await;
        patience.spend(begun.elapsed());
        match answer {
            Ok(Ok(answer)) => {
                live.strikes.store(0, Relaxed);
                Some(answer)
            }
            Ok(Err(error)) => {
                self.give_up(live, &error);
                None
            }
            Err(_) => {
                patience.lose();
                self.metrics.limits.redis_timeouts.add(1);
                // What is left of a request's patience may be less than a good answer takes.
                if left >= FAIR && live.strikes.fetch_add(1, Relaxed) + 1 >= STRIKES {
                    self.give_up(live, &"no answer in time");
                }
                None
            }
        }
    }

    /// Beside the request; never waits.
    pub(super) fn tell(&self, settlement: Settlement) {
        if !self.is_in_force() || self.settlements.try_send(settlement).is_err() {
            self.metrics.limits.settlements_dropped.add(1);
        }
    }

    fn give_up(&self, live: &Arc<Live>, why: &dyn std::fmt::Display) {
        let current = self.live.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, live)) {
            let previous = self.live.compare_and_swap(&current, None);
            if previous.as_ref().is_some_and(|previous| Arc::ptr_eq(previous, live)) {
                self.metrics.limits.redis_in_force.set(0);
                self.metrics.limits.redis_given_up.add(1);
                tracing::warn!(error = %why, "Redis is given up: limits are divided among the live proxies");
                live.broken.notify_one();
            }
        }
    }

    fn put_in_force(&self, connection: MultiplexedConnection) -> Arc<Live> {
        let live = Arc::new(Live { connection, strikes: AtomicU32::new(0), broken: Notify::new() });
        self.live.store(Some(Arc::clone(&live)));
        self.metrics.limits.redis_in_force.set(1);
        tracing::info!("Redis counts the limits of all proxies together");
        live
    }
}

impl Asked {
    fn read(answer: Vec<u64>) -> Option<Self> {
        let mut answer = answer.into_iter();
        let (refused, day) = (answer.next()?, answer.next()?);
        let refused = usize::try_from(refused).ok()?.checked_sub(1);
        Some(Self { refused, day, used: answer.collect() })
    }
}

/// For a log: Redis's errors may quote what was sent, which holds no secret once a connection stands.
fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}

#[cfg(test)]
pub(crate) mod tests;
