//! Which key is to be probed when, and what follows from what was found.
//!
//! A probe is the provider's list of models asked for with the key: it costs nothing, and shows that the provider answers
//! and takes the credential. It does not show that a model works or that a rate is free, so what is cooling or spent is
//! left as it is, and a key that stays ejected although probes succeed is not called recovered again and again.
//!
//! A control plane may have no way to a provider that proxies have. So that it does not talk them out of a good key,
//! it calls a provider unreachable only after it has reached it once.

use std::time::{Duration, Instant};

use tollgate_shared::{
    clock::UnixMicros,
    ids::{ProviderId, UpstreamKeyId},
};

use super::{App, Expected, later};
use crate::{
    app::AppError,
    domain::{
        key_health::{Hint, KeyState, KeyView, Verdict},
        key_probe::{DueProbe, Found, ProbeOutcome, ProbePace},
        provider::{ProviderKind, ProviderSpec},
        upstream_key::UpstreamKey,
    },
    store::{StoreError, key_health, key_pools, key_probes, providers, upstream_keys},
    upstream::UpstreamError,
};

/// That a key recovered is told once; whoever is not there then finds out by itself.
const RECOVERED_US: i64 = 60 * 1_000_000;
/// What a probe found counts at proxies for so much longer than the next probe takes to come.
const SLACK: Duration = Duration::from_secs(20);

/// How old the newest outcome that replicas know of may be though the key is in use: it is reported every second or two,
/// and written every five while nothing else changes.
const KNOWN_WITHIN: Duration = Duration::from_secs(8);

/// What one call of a provider found.
#[derive(Debug)]
pub struct Finding {
    pub outcome: ProbeOutcome,
    pub detail: String,
    /// The provider answered something.
    pub reached: bool,
}

/// What the answer to a request for the list of models says of the key.
pub fn classify(kind: ProviderKind, answer: Result<(), &UpstreamError>) -> Finding {
    let Err(error) = answer else {
        return Finding { outcome: ProbeOutcome::Ok, detail: String::new(), reached: true };
    };
    let (outcome, reached) = match error {
        // Only Gemini says 400 of a bad key; elsewhere it may be the list of models that the provider does not have.
        UpstreamError::KeyRefused(400) if kind != ProviderKind::Gemini => (ProbeOutcome::Inconclusive, true),
        UpstreamError::KeyRefused(_) => (ProbeOutcome::Refused, true),
        UpstreamError::Status(500..) => (ProbeOutcome::Unreachable, true),
        UpstreamError::Status(_) | UpstreamError::TooLarge | UpstreamError::Unreadable => {
            (ProbeOutcome::Inconclusive, true)
        }
        UpstreamError::Connect(_) | UpstreamError::Broken | UpstreamError::Timeout | UpstreamError::Resolve => {
            (ProbeOutcome::Unreachable, false)
        }
        // Of this control plane's own settings, not of the provider.
        UpstreamError::Url | UpstreamError::AddressRefused => (ProbeOutcome::Inconclusive, false),
    };
    Finding { outcome, detail: error.to_string(), reached }
}

/// What is to happen with a key whose probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Probe,
    /// It is in use and well, or was refused not long ago: look again then.
    PutOff(UnixMicros),
}

/// A key in use needs no probe: requests show how it is.
fn next(due: &DueProbe, view: &KeyView, pace: &ProbePace, now: UnixMicros, random: f64) -> Next {
    if due.changed {
        return Next::Probe;
    }
    let state = view.worst().map_or(KeyState::Unknown, |model| model.state);
    let since = |at: UnixMicros| Duration::from_micros(u64::try_from(now.saturating_sub(at)).unwrap_or_default());
    if state == KeyState::Refused
        && let Some((ProbeOutcome::Refused, at)) = due.last
        && since(at) < pace.refused.mul_f64(0.9)
    {
        return Next::PutOff(later(at, pace.refused(random)));
    }
    if !state.is_well() {
        return Next::Probe;
    }
    match view.outcome_at() {
        Some(at) if since(at) < pace.idle.0 + KNOWN_WITHIN => Next::PutOff(later(now, pace.idle(random))),
        _ => Next::Probe,
    }
}

/// When the probe after this one is due.
fn wait(outcome: ProbeOutcome, state: KeyState, pace: &ProbePace, random: f64) -> Duration {
    match outcome {
        ProbeOutcome::Refused => pace.refused(random),
        ProbeOutcome::Unreachable => pace.trouble(random),
        // It was ejected: until proxies use it again, the provider may go down again unseen.
        _ if state.awaits_recovery() => pace.trouble(random),
        _ => pace.idle(random),
    }
}

/// Whether proxies are to hear that a key recovered: it was in trouble by the last probe, or it is by the proxies and
/// was not probed since that began. So a provider that answers probes and fails requests is called recovered once.
fn is_recovery(due: &DueProbe) -> bool {
    due.in_trouble || matches!(due.last, Some((ProbeOutcome::Refused | ProbeOutcome::Unreachable, _)))
}

impl App {
    /// Keys whose probe is due, `most` at most. Those without a schedule get one: like keys in use, new keys are left alone
    /// for a while.
    pub async fn due_key_probes(&self, pace: &ProbePace, most: usize) -> Result<Vec<DueProbe>, StoreError> {
        let now = self.now();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let due = key_probes::due(&mut *self.store().reader().await?, now, most).await?;
        let (due, new): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.due_at.is_some());
        if !new.is_empty() {
            let mut tx = self.store().begin_append().await?;
            for DueProbe { upstream_key_id, .. } in new {
                let first = later(now, pace.idle(fastrand::f64()));
                key_probes::schedule(&mut tx, upstream_key_id, now, first).await?;
            }
            tx.commit().await?;
        }
        Ok(due)
    }

    /// Those of the keys that this process is to probe now, `most` at most: nobody else does for so long. Keys that need
    /// no probe are put off.
    pub async fn claim_key_probes(
        &self,
        due: Vec<DueProbe>,
        pace: &ProbePace,
        lease: Duration,
        most: usize,
    ) -> Result<Vec<DueProbe>, StoreError> {
        let now = self.now();
        let mut decided = Vec::with_capacity(due.len());
        let mut to_probe = 0;
        for due in due {
            let view = self.key_view(due.upstream_key_id).await?;
            let next = next(&due, &view, pace, now, fastrand::f64());
            to_probe += usize::from(next == Next::Probe);
            if to_probe > most {
                break;
            }
            decided.push((due, next));
        }
        let mut claimed = Vec::new();
        let mut tx = self.store().begin_append().await?;
        for (due, next) in decided {
            let (id, Some(seen)) = (due.upstream_key_id, due.due_at) else { continue };
            match next {
                Next::Probe if key_probes::claim(&mut tx, id, seen, now, later(now, lease)).await? => claimed.push(due),
                Next::Probe => {}
                Next::PutOff(until) => key_probes::put_off(&mut tx, id, seen, until).await?,
            }
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Has keys probed sooner or later than they were to be, because of what proxies saw.
    pub async fn reschedule_key_probes(
        &self,
        keys: &[(UpstreamKeyId, Expected)],
        pace: &ProbePace,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.store().begin_append().await?;
        for (id, expected) in keys {
            match expected {
                Expected::Recovery => {
                    key_probes::hasten(&mut tx, *id, now, later(now, pace.trouble(fastrand::f64()))).await?;
                }
                Expected::Acceptance => {
                    key_probes::expect_acceptance(&mut tx, *id, now, later(now, pace.refused(fastrand::f64()))).await?;
                }
            }
        }
        tx.commit().await
    }

    /// Probes a key, notes what was found, and tells the proxies what is news to them.
    pub async fn probe_key(&self, due: &DueProbe, pace: &ProbePace) -> Result<Found, AppError> {
        let id = due.upstream_key_id;
        let (key, provider) = self.key_and_provider(id).await?;
        let started = Instant::now();
        let answer = self.0.upstream.models(&provider, &key.unseal(self.keyring())?).await;
        let finding = classify(provider.kind, answer.as_ref().map(drop));
        let found = self.found(&finding, started);
        let state = self.key_view(id).await?.worst().map_or(KeyState::Unknown, |model| model.state);
        let wait = wait(found.outcome, state, pace, fastrand::f64());
        self.settle_key_probe(id, &found, finding.reached, wait).await?;
        let hint = match found.outcome {
            ProbeOutcome::Ok if is_recovery(due) => Some(Verdict::Recovered),
            ProbeOutcome::Refused => Some(Verdict::Refused),
            ProbeOutcome::Unreachable if self.was_reached(due.provider_id).await? => Some(Verdict::Unreachable),
            _ => None,
        };
        if let Some(verdict) = hint {
            self.tell(hint_of(id, verdict, &found, wait));
        }
        Ok(found)
    }

    /// What somebody found who asked for a test: noted and told as a probe's, and a success is told in any case.
    pub(in crate::app) async fn note_key_test(
        &self,
        key: &UpstreamKey,
        kind: ProviderKind,
        answer: Result<(), &UpstreamError>,
        started: Instant,
    ) -> Result<(), StoreError> {
        let (finding, pace) = (classify(kind, answer), ProbePace::default());
        let found = self.found(&finding, started);
        let wait = wait(found.outcome, KeyState::Unknown, &pace, fastrand::f64());
        self.settle_key_probe(key.id, &found, finding.reached, wait).await?;
        let verdict = match found.outcome {
            _ if !key.spec.status.is_active() => return Ok(()),
            ProbeOutcome::Ok => Verdict::Recovered,
            ProbeOutcome::Refused => Verdict::Refused,
            // One look from here is no reason to leave a key alone; the next probe is soon.
            ProbeOutcome::Unreachable | ProbeOutcome::Inconclusive => return Ok(()),
        };
        self.tell(hint_of(key.id, verdict, &found, wait));
        Ok(())
    }

    /// What proxies of all replicas say of a key.
    async fn key_view(&self, id: UpstreamKeyId) -> Result<KeyView, StoreError> {
        let mut views = key_health::views(&mut *self.store().reader().await?, (id, id), self.now()).await?;
        Ok(views.remove(&id).unwrap_or_default())
    }

    async fn key_and_provider(&self, id: UpstreamKeyId) -> Result<(UpstreamKey, ProviderSpec), AppError> {
        const NOT_FOUND: AppError = AppError::NotFound("upstream key");
        let mut reader = self.store().begin_read().await?;
        let key = upstream_keys::by_id(&mut reader, id).await?.ok_or(NOT_FOUND)?;
        let pool = key_pools::by_id(&mut reader, key.spec.pool_id).await?.ok_or(NOT_FOUND)?;
        let provider = providers::by_id(&mut reader, pool.spec.provider_id).await?.ok_or(NOT_FOUND)?;
        Ok((key, provider.spec))
    }

    fn found(&self, finding: &Finding, started: Instant) -> Found {
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Found { at: self.now(), outcome: finding.outcome, detail: finding.detail.clone(), latency_ms }
    }

    async fn settle_key_probe(
        &self,
        id: UpstreamKeyId,
        found: &Found,
        reached: bool,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.store().begin_append().await?;
        key_probes::settle(&mut tx, id, found, reached, later(found.at, wait)).await?;
        tx.commit().await
    }

    async fn was_reached(&self, provider: ProviderId) -> Result<bool, StoreError> {
        key_probes::was_reached(&mut *self.store().reader().await?, provider).await
    }
}

fn hint_of(id: UpstreamKeyId, verdict: Verdict, found: &Found, wait: Duration) -> Hint {
    let next = later(found.at, wait);
    let (until, expires_at) = match verdict {
        Verdict::Recovered => (None, found.at.saturating_add(RECOVERED_US)),
        _ => (Some(next), later(next, SLACK)),
    };
    Hint {
        upstream_key_id: id,
        model: None,
        verdict,
        until,
        reason: found.detail.clone(),
        origin: None,
        made_at: found.at,
        expires_at,
    }
}

#[cfg(test)]
mod tests;
