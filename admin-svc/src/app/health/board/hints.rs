//! The newest hint for each key and model, and what makes a report one.

use std::{collections::HashMap, sync::Arc};

use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProxyId, UpstreamKeyId},
};

use super::Place;
use crate::domain::key_health::{Hint, KeyModelReport, KeyState, Verdict};

/// A wait that ends only so much later than the one that was passed on is no news.
const SLACK_US: i64 = 500_000;
/// The longest that a wait is passed on for: a daily quota's.
const LONGEST_WAIT_US: i64 = 24 * 3_600 * 1_000_000;
/// A refusal that a proxy saw counts elsewhere for so long: until a probe has looked.
const REFUSAL_US: i64 = 600 * 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Hints {
    newest: HashMap<Place, Arc<Hint>>,
    unwritten: HashMap<Place, Arc<Hint>>,
}

impl Hints {
    /// Remembers a hint, in place of what was said of the same before.
    pub(super) fn make(&mut self, hint: Arc<Hint>) {
        self.unwritten.insert(place(&hint), Arc::clone(&hint));
        self.put(hint);
    }

    fn put(&mut self, hint: Arc<Hint>) {
        if hint.verdict == Verdict::Recovered && hint.model.is_none() {
            let outlived = |other: &Hint| {
                other.upstream_key_id != hint.upstream_key_id
                    || other.verdict == Verdict::CoolingUntil
                    || other.made_at > hint.made_at
            };
            self.newest.retain(|_, other| outlived(other));
            self.unwritten.retain(|_, other| outlived(other) || Arc::ptr_eq(other, &hint));
        }
        self.newest.insert(place(&hint), hint);
    }

    /// Those that still count. That a key recovered is of no use to a proxy that comes later.
    pub(super) fn live(&mut self, now: UnixMicros) -> Vec<Arc<Hint>> {
        self.newest.retain(|_, hint| hint.expires_at > now);
        self.newest.values().filter(|hint| hint.verdict != Verdict::Recovered).cloned().collect()
    }

    /// Takes what is in the database; what is news.
    pub(super) fn learn(&mut self, hints: Vec<Hint>, now: UnixMicros) -> Vec<Arc<Hint>> {
        self.newest.retain(|_, hint| hint.expires_at > now);
        let mut news = Vec::new();
        for hint in hints {
            let known = self.newest.get(&place(&hint)).map(|known| known.made_at);
            let recovered = self
                .newest
                .get(&(hint.upstream_key_id, None))
                .filter(|whole| whole.verdict == Verdict::Recovered && hint.verdict != Verdict::CoolingUntil)
                .map(|whole| whole.made_at);
            if known.max(recovered).is_none_or(|newest| hint.made_at > newest) {
                let hint = Arc::new(hint);
                self.put(Arc::clone(&hint));
                news.push(hint);
            }
        }
        news
    }

    /// In the order of keys and models, so that two replicas never deadlock.
    pub(super) fn take_unwritten(&mut self) -> Vec<Hint> {
        let mut hints: Vec<Hint> = self.unwritten.drain().map(|(_, hint)| Hint::clone(&hint)).collect();
        hints.sort_by(|one, other| place_of(one).cmp(&place_of(other)));
        hints
    }

    pub(super) fn not_written(&mut self, hints: Vec<Hint>) {
        for hint in hints {
            self.unwritten.entry(place(&hint)).or_insert_with(|| Arc::new(hint));
        }
    }

    /// The hint that a report makes, if it proves something that was not passed on yet.
    pub(super) fn proven_by(&self, proxy: ProxyId, report: &KeyModelReport, now: UnixMicros) -> Option<Hint> {
        let KeyModelReport { upstream_key_id, model, state, reason, until, outcomes, .. } = report;
        let known = self.newest.get(&(*upstream_key_id, model.clone())).filter(|hint| hint.expires_at > now);
        let (verdict, until, expires_at) = match state {
            // A rest after an overload is of one key alone, and no rate limit: the other proxies meet it by themselves.
            KeyState::Cooling if outcomes.rate_limited > 0 => self::wait(known, *until, now)?,
            KeyState::Spent if outcomes.spent + outcomes.rate_limited > 0 => self::wait(known, *until, now)?,
            KeyState::Refused if outcomes.refused > 0 => {
                if known.is_some_and(|hint| hint.verdict == Verdict::Refused) {
                    return None;
                }
                (Verdict::Refused, *until, now.saturating_add(REFUSAL_US))
            }
            _ => return None,
        };
        Some(Hint {
            upstream_key_id: *upstream_key_id,
            model: model.clone(),
            verdict,
            until,
            reason: reason.clone(),
            origin: Some(proxy),
            made_at: now,
            expires_at,
        })
    }
}

/// A wait that ends later than the one that was passed on.
fn wait(
    known: Option<&Arc<Hint>>,
    until: Option<UnixMicros>,
    now: UnixMicros,
) -> Option<(Verdict, Option<UnixMicros>, UnixMicros)> {
    let until = until?.min(now.saturating_add(LONGEST_WAIT_US));
    let passed_on = known.filter(|hint| hint.verdict == Verdict::CoolingUntil).and_then(|hint| hint.until);
    let is_news = until > now && passed_on.is_none_or(|passed_on| until > passed_on.saturating_add(SLACK_US));
    is_news.then_some((Verdict::CoolingUntil, Some(until), until))
}

fn place(hint: &Hint) -> Place {
    (hint.upstream_key_id, hint.model.clone())
}

fn place_of(hint: &Hint) -> (UpstreamKeyId, &str) {
    (hint.upstream_key_id, hint.model.as_deref().unwrap_or_default())
}
