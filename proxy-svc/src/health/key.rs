//! The health of one upstream key, and of each model that it is used for.
//!
//! A target that names its model is known when the snapshot is built. Where the caller names it, a model is remembered
//! at the first outcome that is the provider's (a success, a limit, a failure), never for a request's own fault: names
//! that do not exist leave nothing here. [`MAX_MODELS`] bounds it: beyond that, models that are well and were not used
//! for ten minutes are forgotten, and when there is none, what happens to further ones is not remembered.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tollgate_shared::ids::UpstreamKeyId;

use super::{
    Moment,
    account::Account,
    allowance::Allowance,
    circuit::Circuit,
    gate::Standing,
    reason::Cause,
    vitals::{Reading, Vitals},
};
use crate::{
    health_exchange::OutcomeCounts,
    snapshot::{BaseUrl, UpstreamKey},
};

/// Models that a key's callers named.
const MAX_MODELS: usize = 256;
const UNUSED: Duration = Duration::from_mins(10);

type Models<T> = ArcSwap<HashMap<Box<str>, Arc<T>>>;

/// State of a key and its models; shared by all snapshots that have the key.
#[derive(Debug)]
pub struct KeyHealth {
    pub(super) id: UpstreamKeyId,
    /// What the state was learnt with: with another credential or at another place it would be about something else.
    credential: HeaderValue,
    base: BaseUrl,
    pub(super) account: Account,
    /// What concerned the key as a whole.
    pub(super) tally: Tally,
    pub(super) models: Models<ModelHealth>,
    group_name: Option<Box<str>>,
    group: Arc<QuotaGroup>,
}

/// Keys that share an allowance; a key without a group is one of its own.
#[derive(Debug, Default)]
pub(super) struct QuotaGroup {
    allowances: Models<Allowance>,
}

/// Of one key × model.
#[derive(Debug)]
pub(super) struct ModelHealth {
    pub(super) circuit: Circuit,
    pub(super) allowance: Arc<Allowance>,
    pub(super) vitals: Vitals,
    pub(super) tally: Tally,
    used_at: AtomicU64,
}

/// Outcomes of attempts since they were last told.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) ok: AtomicU64,
    pub(super) rate_limited: AtomicU64,
    pub(super) overloaded: AtomicU64,
    pub(super) server_error: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) connect_failed: AtomicU64,
    pub(super) connection_lost: AtomicU64,
    pub(super) spent: AtomicU64,
}

impl Tally {
    pub(super) fn of(&self, cause: Cause) -> &AtomicU64 {
        match cause {
            Cause::Server => &self.server_error,
            Cause::Overloaded => &self.overloaded,
            Cause::Connect => &self.connect_failed,
            Cause::Lost => &self.connection_lost,
            Cause::Timeout => &self.timed_out,
        }
    }

    pub(super) fn take(&self) -> OutcomeCounts {
        let take = |counter: &AtomicU64| counter.swap(0, Relaxed);
        OutcomeCounts {
            ok: take(&self.ok),
            rate_limited: take(&self.rate_limited),
            overloaded: take(&self.overloaded),
            server_error: take(&self.server_error),
            refused: take(&self.refused),
            timed_out: take(&self.timed_out),
            connect_failed: take(&self.connect_failed),
            connection_lost: take(&self.connection_lost),
            spent: take(&self.spent),
        }
    }
}

impl QuotaGroup {
    /// Shared by all keys of the group; they stay as long as the group, bounded by what its keys remember.
    fn allowance(&self, model: &str) -> Arc<Allowance> {
        if let Some(known) = self.allowances.load().get(model) {
            return Arc::clone(known);
        }
        let new = Arc::new(Allowance::default());
        self.allowances.rcu(|known| {
            let mut next = HashMap::clone(known);
            next.entry(model.into()).or_insert_with(|| Arc::clone(&new));
            next
        });
        self.allowances.load().get(model).map_or(new, Arc::clone)
    }

    fn forget(&self, models: &HashMap<Box<str>, Arc<ModelHealth>>, now: Moment) {
        self.allowances.rcu(|known| {
            let mut next = HashMap::clone(known);
            next.retain(|model, allowance| {
                models.contains_key(model) || !matches!(allowance.standing(now), Standing::Ready)
            });
            next
        });
    }
}

impl KeyHealth {
    pub(super) fn new(key: &UpstreamKey, base: &BaseUrl, group: Arc<QuotaGroup>) -> Self {
        Self {
            id: key.id,
            credential: key.credential.clone(),
            base: base.clone(),
            account: Account::default(),
            tally: Tally::default(),
            models: Models::default(),
            group_name: key.quota_group.clone(),
            group,
        }
    }

    pub(super) fn is_about(&self, key: &UpstreamKey, base: &BaseUrl) -> bool {
        self.credential == key.credential && self.base == *base && self.group_name == key.quota_group
    }

    /// Nothing may be sent with this key until then, whatever the model: the place for limits of the gateway's own.
    pub fn exhausted_until(&self, until: Moment, now: Moment) {
        self.account.capped(until, now);
    }

    /// Of a model that the configuration names.
    pub(super) fn model(&self, name: &str) -> Arc<ModelHealth> {
        self.known(name).unwrap_or_else(|| self.insert(name, Moment::default(), usize::MAX).unwrap_or_default())
    }

    pub(super) fn known(&self, name: &str) -> Option<Arc<ModelHealth>> {
        self.models.load().get(name).map(Arc::clone)
    }

    /// Of a model that a caller named, when there is room for it.
    pub(super) fn remember(&self, name: &str, now: Moment) -> Option<Arc<ModelHealth>> {
        self.known(name).or_else(|| self.insert(name, now, MAX_MODELS))
    }

    fn insert(&self, name: &str, now: Moment, most: usize) -> Option<Arc<ModelHealth>> {
        let new = Arc::new(ModelHealth { allowance: self.group.allowance(name), ..ModelHealth::default() });
        new.used(now);
        let mut dropped = false;
        self.models.rcu(|known| {
            let mut next = HashMap::clone(known);
            if next.len() >= most {
                next.retain(|_, model| !model.is_forgettable(now));
                dropped = true;
            }
            if next.len() < most {
                next.entry(name.into()).or_insert_with(|| Arc::clone(&new));
            }
            next
        });
        let models = self.models.load();
        if dropped {
            self.group.forget(&models, now);
        }
        models.get(name).map(Arc::clone)
    }

    /// Whether a request for this model may be sent with this key.
    pub(super) fn look(&self, model: &str, now: Moment) -> (Standing, Reading) {
        let account = self.account.standing(now);
        if let Some(known) = self.models.load().get(model) {
            let (standing, reading) = known.look(now);
            return (account.and(standing), reading);
        }
        // Another key of the group may have met the limit of a model that this one has not served yet.
        let allowances = self.group.allowances.load();
        let allowance = allowances.get(model).map_or(Standing::Ready, |allowance| allowance.standing(now));
        (account.and(allowance), Reading::default())
    }
}

impl KeyHealth {
    /// Whether the day's quota of a model is known to be gone, as another key of the group may have found out.
    pub(super) fn is_known_spent(&self, model: &str, now: Moment) -> bool {
        match self.models.load().get(model) {
            Some(known) => known.allowance.is_known_spent(now),
            None => self.group.allowances.load().get(model).is_some_and(|allowance| allowance.is_known_spent(now)),
        }
    }
}

impl Default for ModelHealth {
    fn default() -> Self {
        Self {
            circuit: Circuit::default(),
            allowance: Arc::default(),
            vitals: Vitals::default(),
            tally: Tally::default(),
            used_at: AtomicU64::new(0),
        }
    }
}

impl ModelHealth {
    pub(super) fn used(&self, now: Moment) {
        self.used_at.store(now.0, Relaxed);
    }

    pub(super) fn look(&self, now: Moment) -> (Standing, Reading) {
        let standing = self.allowance.standing(now).and(self.circuit.standing(now));
        let reading = Reading { left: self.allowance.left(now), ..self.vitals.read(now) };
        (standing, reading)
    }

    fn is_forgettable(&self, now: Moment) -> bool {
        let is_idle = now.since(Moment(self.used_at.load(Relaxed))) > UNUSED && self.vitals.read(now).in_flight == 0;
        is_idle && !matches!(self.look(now).0, Standing::Out { .. })
    }
}
