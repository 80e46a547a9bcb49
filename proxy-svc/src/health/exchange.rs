//! What is told of health to others, and what becomes of what they tell.

use std::{sync::Arc, time::Duration};

use tollgate_shared::clock::UnixMicros;

use super::{
    Health, KeyHealth, KeyState, Moment,
    circuit::Told,
    key::{ModelHealth, Tally},
    reason::Reason,
};
use crate::health_exchange::{HealthRecord, KeyHint, KeyModelReport, Verdict};

impl HealthRecord for Health {
    fn report(&self) -> Vec<KeyModelReport> {
        let now = self.now();
        let keys: Vec<Arc<KeyHealth>> =
            self.entries.lock().keys.values().map(|entry| Arc::clone(&entry.health)).collect();
        let mut reports = Vec::new();
        for key in keys {
            let mut add = |model: Option<(&str, &ModelHealth)>, told: Option<Told>, tally: &Tally| {
                let report = self.report_of(&key, model, told.as_ref(), tally, now);
                if told.is_some() || !report.outcomes.is_empty() {
                    reports.push(report);
                }
            };
            add(None, key.account.tell(now), &key.tally);
            for (name, model) in key.models.load().iter() {
                add(Some((name, model)), worst(model.allowance.tell(now), model.circuit.tell(now)), &model.tally);
            }
        }
        reports
    }

    /// A key that is not known here is none of our business. Being wrong costs little: a hint only makes a trial earlier,
    /// or keeps a key out for a bounded time.
    fn hint(&self, hint: KeyHint) {
        let KeyHint { upstream_key_id, model, verdict, until: _, ttl, reason: _ } = hint;
        let found = self.entries.lock().keys.get(&upstream_key_id).map(|entry| Arc::clone(&entry.health));
        let Some(key) = found else { return };
        let now = self.now();
        match (verdict, &model) {
            (Verdict::Recovered, _) => key.account.seen_working(now),
            (Verdict::Refused, None) => return key.account.seen_refused(now.after(ttl), now),
            (Verdict::CoolingUntil(until), None) => return key.account.seen_spent(self.moment_of(until, now), now),
            (Verdict::Refused | Verdict::CoolingUntil(_), Some(_)) | (Verdict::Unreachable, _) => {}
        }
        let named = model.as_deref().and_then(|model| match verdict {
            // Of one that was never used here there is nothing to take back.
            Verdict::Recovered => key.known(model),
            _ => key.remember(model, now),
        });
        let all = if model.is_none() { key.models.load_full() } else { Arc::default() };
        for model in named.into_iter().chain(all.values().map(Arc::clone)) {
            let failing = |reason| model.circuit.seen_failing(reason, now.after(ttl), now);
            match verdict {
                Verdict::Recovered => model.circuit.seen_working(now),
                Verdict::Unreachable => failing(Reason::SeenFailing),
                Verdict::Refused => failing(Reason::Refused { status: None }),
                Verdict::CoolingUntil(until) => model.allowance.seen_limited(self.moment_of(until, now), now),
            }
        }
    }
}

impl Health {
    fn report_of(
        &self,
        key: &KeyHealth,
        model: Option<(&str, &ModelHealth)>,
        told: Option<&Told>,
        tally: &Tally,
        now: Moment,
    ) -> KeyModelReport {
        let (state, until, reason) = match told {
            None => (KeyState::Healthy, None, Reason::None),
            Some(Told { state, until, reason, since: _, is_news: _ }) => (*state, *until, *reason),
        };
        let reading = model.map(|(_, model)| model.look(now).1).unwrap_or_default();
        KeyModelReport {
            upstream_key_id: key.id,
            model: model.map(|(name, _)| name.into()),
            state,
            reason: if state == KeyState::Healthy { Box::default() } else { reason.to_string().into() },
            until: until.map(|until| self.wall_of(until, now)),
            outcomes: tally.take(),
            ttft: reading.first_token,
            in_flight: reading.in_flight,
        }
    }

    fn wall_of(&self, moment: Moment, now: Moment) -> UnixMicros {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let wall = self.wall();
        if moment >= now { wall.saturating_add(micros(moment.since(now))) } else { wall - micros(now.since(moment)) }
    }

    fn moment_of(&self, wall: UnixMicros, now: Moment) -> Moment {
        now.after(Duration::from_micros(u64::try_from(wall.saturating_sub(self.wall())).unwrap_or(0)))
    }
}

fn worst(one: Option<Told>, other: Option<Told>) -> Option<Told> {
    match (one, other) {
        (Some(one), Some(other)) if one.state == KeyState::Healthy => Some(other),
        (Some(one), Some(other)) if other.state == KeyState::Healthy || one.until >= other.until => Some(one),
        (one, other) => other.or(one),
    }
}
