//! What proxies say of keys, probes and hints: claims, expiry, and what one row keeps of another.

use admin_svc::{
    domain::{
        key_health::{Hint, KeyState, ModelHealth, OutcomeCounts, ProxyView, ReplicaView, Verdict},
        key_probe::{Found, ProbeOutcome},
        page::PageRequest,
        stamp::Stamp,
        status::Status,
        upstream_key::{UpstreamKey, UpstreamKeySpec},
    },
    store::{
        Store, health_hints,
        key_health::{self, KeyFilter, SILENT_AFTER_US},
        key_pools, key_probes, providers, upstream_keys,
    },
};
use tollgate_shared::{
    ids::{ProviderId, ProxyId, UpstreamKeyId},
    limits::Limits,
};

use crate::{Opened, database::on_both};

on_both!(
    crate::open;
    views_of_replicas_are_put_together_until_they_fall_silent,
    a_probe_is_claimed_once,
    what_is_due_and_what_is_not,
    a_finding_is_kept_with_the_key,
    the_newest_hint_counts_and_a_recovery_takes_others_away,
);

const SECOND: i64 = 1_000_000;

async fn key(store: &Store, status: Status) -> (UpstreamKeyId, ProviderId) {
    let provider = crate::provider(&UpstreamKeyId::generate().to_string());
    let pool = crate::pool(&provider.spec.name, provider.id);
    let key = UpstreamKey {
        id: UpstreamKeyId::generate(),
        spec: UpstreamKeySpec {
            pool_id: pool.id,
            name: "key".to_owned(),
            weight: 1,
            priority: 0,
            limits: Limits::default(),
            quota_group: None,
            status,
        },
        fingerprint: String::new(),
        stamp: Stamp::first(1),
        sealed_secret: String::new(),
        secret_digest: String::new(),
    };
    let mut tx = store.begin_write().await.unwrap();
    providers::insert(&mut tx, &provider).await.unwrap();
    key_pools::insert(&mut tx, &pool).await.unwrap();
    upstream_keys::insert(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
    (key.id, provider.id)
}

fn view(state: KeyState) -> ReplicaView {
    let model = ModelHealth {
        model: Some("gpt-4o".to_owned()),
        state,
        reason: "why".to_owned(),
        until: Some(9),
        outcomes: OutcomeCounts { ok: 1, ..OutcomeCounts::default() },
        ttft_us: Some(5),
        in_flight: 1,
        outcome_at: Some(1),
        ok_at: None,
    };
    let proxy = ProxyView { proxy_id: ProxyId::generate(), state, reported_at: 1 };
    ReplicaView { models: vec![model], proxies: vec![proxy] }
}

async fn views_of_replicas_are_put_together_until_they_fall_silent(Opened { store, .. }: Opened) {
    let (id, _) = key(&store, Status::Active).await;
    let mut tx = store.begin_append().await.unwrap();
    let now = 100 * SECOND;
    key_health::upsert(&mut tx, "one", now, &[(id, view(KeyState::Healthy))]).await.unwrap();
    key_health::upsert(&mut tx, "one", now, &[(id, view(KeyState::Cooling))]).await.unwrap();
    key_health::upsert(&mut tx, "two", now - 5 * SECOND, &[(id, view(KeyState::Ejected))]).await.unwrap();
    let at = async |tx: &mut _, now| key_health::views(tx, (id, id), now).await.unwrap().remove(&id);
    let both = at(&mut tx, now).await.unwrap();
    assert_eq!((both.models[0].state, both.models[0].outcomes.ok, both.proxies.len()), (KeyState::Ejected, 2, 2));
    let later = at(&mut tx, now - 5 * SECOND + SILENT_AFTER_US).await.unwrap();
    assert_eq!((later.models[0].state, later.proxies.len()), (KeyState::Cooling, 1));
    assert_eq!(at(&mut tx, now + SILENT_AFTER_US).await, None);
    key_health::prune(&mut tx, now + 1).await.unwrap();
    assert_eq!(at(&mut tx, now).await, None);
}

async fn a_probe_is_claimed_once(Opened { store, .. }: Opened) {
    let (id, _) = key(&store, Status::Active).await;
    let mut tx = store.begin_append().await.unwrap();
    key_probes::schedule(&mut tx, id, 1, 10).await.unwrap();
    key_probes::schedule(&mut tx, id, 1, 99).await.unwrap();
    assert!(key_probes::claim(&mut tx, id, 10, 10, 50).await.unwrap());
    assert!(!key_probes::claim(&mut tx, id, 10, 10, 50).await.unwrap());
    key_probes::put_off(&mut tx, id, 10, 70).await.unwrap();
    assert!(key_probes::due(&mut tx, 49, 9).await.unwrap().is_empty());
    assert_eq!(key_probes::due(&mut tx, 50, 9).await.unwrap()[0].due_at, Some(50), "a claim is not put off");
}

async fn what_is_due_and_what_is_not(Opened { store, .. }: Opened) {
    let (id, provider_id) = key(&store, Status::Active).await;
    key(&store, Status::Disabled).await;
    let mut tx = store.begin_append().await.unwrap();
    let due = key_probes::due(&mut tx, 0, 9).await.unwrap();
    assert_eq!(due.len(), 1, "a disabled key is not");
    assert_eq!((due[0].upstream_key_id, due[0].provider_id, due[0].due_at), (id, provider_id, None));
    key_probes::hasten(&mut tx, id, 5, 100).await.unwrap();
    key_probes::hasten(&mut tx, id, 5, 200).await.unwrap();
    assert!(key_probes::due(&mut tx, 99, 9).await.unwrap().is_empty());
    let due = key_probes::due(&mut tx, 100, 9).await.unwrap();
    assert_eq!((due[0].due_at, due[0].in_trouble, due[0].changed), (Some(100), true, false));
    key_probes::expect_acceptance(&mut tx, id, 6, 900).await.unwrap();
    assert_eq!(key_probes::due(&mut tx, 100, 9).await.unwrap()[0].due_at, Some(100), "it is in trouble already");
    let ok = Found { at: 0, outcome: ProbeOutcome::Ok, detail: String::new(), latency_ms: 1 };
    key_probes::settle(&mut tx, id, &ok, true, 300).await.unwrap();
    key_probes::expect_acceptance(&mut tx, id, 6, 900).await.unwrap();
    key_probes::expect_acceptance(&mut tx, id, 7, 901).await.unwrap();
    assert!(key_probes::due(&mut tx, 899, 9).await.unwrap().is_empty());
    assert_eq!(key_probes::due(&mut tx, 900, 9).await.unwrap()[0].due_at, Some(900), "not put off again");
    // A key that was changed after it was refused is due at once; settled anew, it is not.
    let refused = Found { at: 0, outcome: ProbeOutcome::Refused, detail: String::new(), latency_ms: 1 };
    key_probes::settle(&mut tx, id, &refused, true, 900).await.unwrap();
    let due = key_probes::due(&mut tx, 1, 9).await.unwrap();
    assert_eq!((due[0].changed, due[0].in_trouble, due[0].last), (true, false, Some((ProbeOutcome::Refused, 0))));
    key_probes::settle(&mut tx, id, &Found { at: 2, ..refused }, true, 900).await.unwrap();
    assert!(key_probes::due(&mut tx, 3, 9).await.unwrap().is_empty());
}

async fn a_finding_is_kept_with_the_key(Opened { store, .. }: Opened) {
    let (id, provider_id) = key(&store, Status::Active).await;
    let mut tx = store.begin_append().await.unwrap();
    let silent = Found { at: 7, outcome: ProbeOutcome::Unreachable, detail: "no answer".to_owned(), latency_ms: 3 };
    key_probes::settle(&mut tx, id, &silent, false, 20).await.unwrap();
    assert!(!key_probes::was_reached(&mut tx, provider_id).await.unwrap());
    let ok = Found { at: 8, outcome: ProbeOutcome::Ok, detail: String::new(), latency_ms: 4 };
    key_probes::settle(&mut tx, id, &ok, true, 21).await.unwrap();
    key_probes::settle(&mut tx, id, &silent, false, 22).await.unwrap();
    assert!(key_probes::was_reached(&mut tx, provider_id).await.unwrap(), "once is enough");
    let row = key_health::key_by_id(&mut tx, id).await.unwrap().unwrap();
    assert_eq!(row.provider_id, provider_id.to_string());
    let probe = row.probe.unwrap();
    assert_eq!((probe.due_at, probe.found, probe.reached_at), (22, Some(silent.clone()), Some(8)));
    let page = PageRequest { after: None, limit: 10 };
    let other = KeyFilter { provider_id: Some(ProviderId::generate().to_string()), ..KeyFilter::default() };
    assert_eq!(key_health::keys(&mut tx, &KeyFilter::default(), &page).await.unwrap().len(), 1);
    assert!(key_health::keys(&mut tx, &other, &page).await.unwrap().is_empty());
    // Of a key that is gone nothing is noted, and what was noted goes with it.
    upstream_keys::delete(&mut tx, id).await.unwrap();
    key_probes::settle(&mut tx, id, &silent, false, 22).await.unwrap();
    key_probes::hasten(&mut tx, id, 1, 2).await.unwrap();
    assert!(!key_probes::was_reached(&mut tx, provider_id).await.unwrap());
}

async fn the_newest_hint_counts_and_a_recovery_takes_others_away(Opened { store, .. }: Opened) {
    let hint = |model: Option<&str>, verdict, made_at| Hint {
        upstream_key_id: UpstreamKeyId::from_uuid(uuid::Uuid::nil()),
        model: model.map(str::to_owned),
        verdict,
        until: Some(50),
        reason: "why".to_owned(),
        origin: None,
        made_at,
        expires_at: 100,
    };
    let mut tx = store.begin_append().await.unwrap();
    let refused = hint(Some("a"), Verdict::Refused, 10);
    let cooling = hint(Some("b"), Verdict::CoolingUntil, 10);
    health_hints::upsert(&mut tx, &[refused.clone(), cooling.clone()]).await.unwrap();
    health_hints::upsert(&mut tx, &[hint(Some("a"), Verdict::CoolingUntil, 9)]).await.unwrap();
    let mut live = health_hints::live(&mut tx, 99).await.unwrap();
    live.sort_by(|one, other| one.model.cmp(&other.model));
    assert_eq!(live, [refused, cooling.clone()], "an older one changes nothing");
    let recovered = hint(None, Verdict::Recovered, 11);
    health_hints::upsert(&mut tx, std::slice::from_ref(&recovered)).await.unwrap();
    let mut live = health_hints::live(&mut tx, 99).await.unwrap();
    live.sort_by(|one, other| one.model.cmp(&other.model));
    assert_eq!(live, [recovered, cooling]);
    assert!(health_hints::live(&mut tx, 100).await.unwrap().is_empty());
    health_hints::prune(&mut tx, 100).await.unwrap();
    assert!(health_hints::live(&mut tx, 0).await.unwrap().is_empty());
}
