//! What a member of a roster holds of a key's health.

use std::sync::Arc;

use super::{
    Moment, Standing, Ticket,
    key::{KeyHealth, ModelHealth},
    reason::{Cause, Reason},
    vitals::Reading,
};
use crate::snapshot::ProviderKind;

/// One key, for the model that the target names or for the one that the caller does.
#[derive(Clone, Debug)]
pub struct Watch {
    key: Arc<KeyHealth>,
    /// Its name, and its state, looked up once when the snapshot is built.
    named: Option<(Box<str>, Arc<ModelHealth>)>,
    kind: ProviderKind,
}

impl Watch {
    pub(crate) fn new(key: Arc<KeyHealth>, model: Option<&str>, kind: ProviderKind) -> Self {
        let named = model.map(|model| (model.into(), key.model(model)));
        Self { key, named, kind }
    }

    /// Whether a request may be sent there now. `model`: as the caller names it.
    pub(crate) fn look(&self, model: &str, now: Moment) -> (Standing, Reading) {
        match &self.named {
            Some((_, named)) => {
                let (standing, reading) = named.look(now);
                (self.key.account.standing(now).and(standing), reading)
            }
            None => self.key.look(model, now),
        }
    }

    /// Whether any request may be the trial, also one that cannot go elsewhere.
    pub(crate) fn is_overdue(&self, model: &str, now: Moment) -> bool {
        self.model(model).is_none_or(|model| model.circuit.is_overdue(now))
    }

    /// Whether it rests because its provider was overloaded, not for a rate limit.
    pub(crate) fn rests_after_overload(&self, model: &str, now: Moment) -> bool {
        let is_limited = |model: &ModelHealth| matches!(model.allowance.standing(now), Standing::Out { .. });
        self.model(model).is_some_and(|model| model.circuit.is_resting(now) && !is_limited(&model))
    }

    /// Whether it is of no use to ask, even where nobody else is left.
    pub(crate) fn is_known_spent(&self, model: &str, now: Moment) -> bool {
        match &self.named {
            Some((_, named)) => named.allowance.is_known_spent(now),
            None => self.key.is_known_spent(model, now),
        }
    }

    /// What ejected it.
    pub(crate) fn cause(&self, model: &str) -> Option<Cause> {
        self.model(model).map_or(Reason::None, |model| model.circuit.reason()).cause()
    }

    pub(crate) fn ticket(&self, model: &str, now: Moment) -> Ticket {
        let model = self.named.as_ref().map_or(model, |(name, _)| name);
        Ticket::open(&self.key, model, self.kind, now)
    }

    fn model(&self, model: &str) -> Option<Arc<ModelHealth>> {
        match &self.named {
            Some((_, named)) => Some(Arc::clone(named)),
            None => self.key.known(model),
        }
    }
}
