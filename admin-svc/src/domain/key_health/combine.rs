//! One picture of a key from what replicas heard of it and what its last probe found.

use std::collections::BTreeMap;

use tollgate_shared::clock::UnixMicros;

use super::{KeyState, ModelHealth, OutcomeCounts, ProxyView, ReplicaView};
use crate::domain::{
    key_probe::{KeyProbe, ProbeOutcome},
    status::Status,
};

/// A key, put together of all replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyView {
    /// By name; the key as a whole first.
    pub models: Vec<ModelHealth>,
    pub proxies: Vec<ProxyView>,
}

impl KeyView {
    /// What was left alone until a time that is past is used again with the next request, also where none came since and
    /// nobody has said so.
    #[must_use]
    pub fn as_of(mut self, now: UnixMicros) -> Self {
        for model in self.models.iter_mut().filter(|model| model.until.is_some_and(|until| until <= now)) {
            (model.state, model.until) = match model.state {
                KeyState::Cooling => (KeyState::Unknown, None),
                KeyState::Ejected | KeyState::Spent | KeyState::Refused => (KeyState::HalfOpen, None),
                other => (other, model.until),
            };
        }
        self
    }

    pub fn outcome_at(&self) -> Option<UnixMicros> {
        self.models.iter().filter_map(|model| model.outcome_at).max()
    }

    pub fn ok_at(&self) -> Option<UnixMicros> {
        self.models.iter().filter_map(|model| model.ok_at).max()
    }

    /// The worst of its models.
    pub fn worst(&self) -> Option<&ModelHealth> {
        self.models.iter().max_by_key(|model| (model.state.severity(), model.until))
    }
}

impl FromIterator<ReplicaView> for KeyView {
    fn from_iter<I: IntoIterator<Item = ReplicaView>>(views: I) -> Self {
        let mut models: BTreeMap<Option<String>, ModelHealth> = BTreeMap::new();
        let mut proxies: BTreeMap<_, ProxyView> = BTreeMap::new();
        for ReplicaView { models: of_replica, proxies: seen } in views {
            for model in of_replica {
                match models.get_mut(&model.model) {
                    Some(known) => join(known, model),
                    None => drop(models.insert(model.model.clone(), model)),
                }
            }
            for proxy in seen {
                // A proxy that moved to another replica is known to both for a moment.
                let known = proxies.entry(proxy.proxy_id).or_insert_with(|| proxy.clone());
                if known.reported_at < proxy.reported_at {
                    *known = proxy;
                }
            }
        }
        Self { models: models.into_values().collect(), proxies: proxies.into_values().collect() }
    }
}

fn join(known: &mut ModelHealth, other: ModelHealth) {
    let ModelHealth { model: _, state, reason, until, outcomes, ttft_us, in_flight, outcome_at, ok_at } = other;
    if (state.severity(), until) > (known.state.severity(), known.until) {
        (known.state, known.reason, known.until) = (state, reason, until);
    }
    known.ttft_us = mean(known.ttft_us, &known.outcomes, ttft_us, &outcomes);
    known.outcomes.add(&outcomes);
    known.in_flight = known.in_flight.saturating_add(in_flight);
    known.outcome_at = known.outcome_at.max(outcome_at);
    known.ok_at = known.ok_at.max(ok_at);
}

/// The mean of two means, each as weighty as it has answers.
fn mean(one: Option<u64>, of_one: &OutcomeCounts, other: Option<u64>, of_other: &OutcomeCounts) -> Option<u64> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let (m, n) = (u128::from(of_one.ok.max(1)), u128::from(of_other.ok.max(1)));
    u64::try_from((u128::from(a) * m + u128::from(b) * n) / (m + n)).ok()
}

/// How a key is as a whole, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub state: KeyState,
    pub reason: String,
    pub until: Option<UnixMicros>,
}

/// What proxies see counts; what a probe found counts as far as no answer since contradicts it.
pub fn assess(status: Status, view: &KeyView, probe: Option<&KeyProbe>) -> Assessment {
    if status == Status::Disabled {
        return Assessment { state: KeyState::Disabled, reason: "switched off".to_owned(), until: None };
    }
    let next_probe = probe.map(|probe| probe.due_at);
    let seen = view.worst().map(|model| Assessment {
        state: model.state,
        reason: match &model.model {
            Some(name) if !model.reason.is_empty() => format!("{name}: {}", model.reason),
            _ => model.reason.clone(),
        },
        // A refusal has no end of its own: the next probe may bring it.
        until: model.until.or_else(|| next_probe.filter(|_| model.state == KeyState::Refused)),
    });
    let probed = probe.and_then(|probe| {
        let found = probe.found.as_ref()?;
        let contradicted = view.ok_at().is_some_and(|ok_at| ok_at > found.at);
        let state = match found.outcome {
            ProbeOutcome::Refused if !contradicted => KeyState::Refused,
            ProbeOutcome::Unreachable if !contradicted => KeyState::Unreachable,
            ProbeOutcome::Ok => KeyState::Healthy,
            _ => return None,
        };
        let until = (state != KeyState::Healthy).then_some(probe.due_at);
        Some(Assessment { state, reason: found.detail.clone(), until })
    });
    let worst = [seen, probed].into_iter().flatten().max_by_key(|found| found.state.severity());
    worst.unwrap_or(Assessment { state: KeyState::Unknown, reason: String::new(), until: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollgate_shared::ids::ProxyId;

    use super::*;
    use crate::domain::key_probe::Found;

    fn model(name: &str, state: KeyState, until: Option<UnixMicros>) -> ModelHealth {
        ModelHealth {
            model: Some(name.to_owned()),
            state,
            reason: state.as_str().to_owned(),
            until,
            outcomes: OutcomeCounts { ok: 1, ..OutcomeCounts::default() },
            ttft_us: Some(100),
            in_flight: 2,
            outcome_at: Some(5),
            ok_at: Some(5),
        }
    }

    fn view(models: Vec<ModelHealth>) -> ReplicaView {
        let proxy = ProxyView { proxy_id: ProxyId::generate(), state: KeyState::Healthy, reported_at: 1 };
        ReplicaView { models, proxies: vec![proxy] }
    }

    fn probe(outcome: ProbeOutcome, at: UnixMicros) -> KeyProbe {
        let found = Found { at, outcome, detail: "what it found".to_owned(), latency_ms: 3 };
        KeyProbe { due_at: 1_000, found: Some(found), reached_at: None }
    }

    #[test]
    fn what_was_left_alone_until_now_is_tried_again() {
        let at = |state, until| {
            let view: KeyView = [view(vec![model("a", state, until)])].into_iter().collect();
            let model = view.as_of(100).models.remove(0);
            (model.state, model.until)
        };
        assert_eq!(at(KeyState::Refused, Some(101)), (KeyState::Refused, Some(101)));
        assert_eq!(at(KeyState::Refused, Some(100)), (KeyState::HalfOpen, None));
        assert_eq!(at(KeyState::Refused, None), (KeyState::Refused, None));
        assert_eq!(at(KeyState::Spent, Some(7)), (KeyState::HalfOpen, None));
        assert_eq!(at(KeyState::Cooling, Some(7)), (KeyState::Unknown, None));
        assert_eq!(at(KeyState::HalfOpen, Some(7)), (KeyState::HalfOpen, Some(7)));
    }

    #[test]
    fn the_worst_state_of_all_replicas_counts() {
        let one = view(vec![model("a", KeyState::Healthy, None), model("b", KeyState::Cooling, Some(7))]);
        let mut slow = model("a", KeyState::Ejected, Some(9));
        (slow.ttft_us, slow.outcomes.ok) = (Some(500), 3);
        let other = view(vec![slow, model("b", KeyState::Cooling, Some(8))]);
        let both: KeyView = [one, other].into_iter().collect();
        assert_eq!(both.proxies.len(), 2);
        let [a, b] = both.models.as_slice() else { panic!("{both:?}") };
        assert_eq!((a.state, a.until, a.in_flight, a.outcomes.ok), (KeyState::Ejected, Some(9), 4, 4));
        assert_eq!(a.ttft_us, Some(400), "weighted by answers");
        assert_eq!((b.state, b.until), (KeyState::Cooling, Some(8)), "the later time");
        let assessed = assess(Status::Active, &both, None);
        assert_eq!((assessed.state, assessed.until), (KeyState::Ejected, Some(9)));
        assert_eq!(assessed.reason, "a: ejected");
    }

    fn any_model() -> impl Strategy<Value = ModelHealth> {
        let states = [KeyState::Healthy, KeyState::Cooling, KeyState::Ejected, KeyState::Spent, KeyState::Refused];
        (prop::sample::select(vec!["a", "b"]), prop::sample::select(states.to_vec()), prop::option::of(0..9_i64))
            .prop_map(|(name, state, until)| model(name, state, until))
    }

    proptest! {
        /// Replicas are read in any order: what is shown must not depend on it.
        #[test]
        fn the_order_of_replicas_changes_nothing(
            models in prop::collection::vec(any_model(), 0..6),
            turn in 0..6_usize,
        ) {
            let views: Vec<ReplicaView> = models.iter().map(|it| view(vec![it.clone()])).collect();
            let mut turned = views.clone();
            turned.rotate_left(turn % views.len().max(1));
            let shown = |views: Vec<ReplicaView>| {
                let view: KeyView = views.into_iter().collect();
                let models: Vec<_> =
                    view.models.iter().map(|it| (it.model.clone(), it.state, it.until, it.outcomes, it.in_flight)).collect();
                let assessed = assess(Status::Active, &view, None);
                (models, assessed.state, assessed.until)
            };
            let (one, other) = (shown(views), shown(turned));
            prop_assert_eq!(&one, &other);
            let worst = models.iter().map(|it| it.state.severity()).max();
            prop_assert_eq!(worst.unwrap_or_default(), one.1.severity());
        }
    }

    #[test]
    fn a_probe_counts_until_an_answer_contradicts_it() {
        let served: KeyView = [view(vec![model("a", KeyState::Healthy, None)])].into_iter().collect();
        let refused = assess(Status::Active, &served, Some(&probe(ProbeOutcome::Refused, 6)));
        assert_eq!((refused.state, refused.until), (KeyState::Refused, Some(1_000)));
        assert_eq!(refused.reason, "what it found");
        let before = assess(Status::Active, &served, Some(&probe(ProbeOutcome::Refused, 4)));
        assert_eq!(before.state, KeyState::Healthy);
    }

    #[test]
    fn nothing_known_a_probe_alone_and_a_disabled_key() {
        let nothing = KeyView::default();
        assert_eq!(assess(Status::Active, &nothing, None).state, KeyState::Unknown);
        let inconclusive = probe(ProbeOutcome::Inconclusive, 1);
        assert_eq!(assess(Status::Active, &nothing, Some(&inconclusive)).state, KeyState::Unknown);
        assert_eq!(assess(Status::Active, &nothing, Some(&probe(ProbeOutcome::Ok, 1))).state, KeyState::Healthy);
        let disabled = assess(Status::Disabled, &nothing, Some(&probe(ProbeOutcome::Refused, 1)));
        assert_eq!((disabled.state, disabled.until), (KeyState::Disabled, None));
    }

    #[test]
    fn a_refusal_that_proxies_see_lasts_until_the_next_probe() {
        let seen: KeyView = [view(vec![model("a", KeyState::Refused, None)])].into_iter().collect();
        assert_eq!(assess(Status::Active, &seen, Some(&probe(ProbeOutcome::Ok, 1))).until, Some(1_000));
    }
}
