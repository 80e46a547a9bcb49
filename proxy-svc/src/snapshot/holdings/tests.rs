use proptest::prelude::*;

use super::*;
use crate::health::Health;
use crate::snapshot::{FallbackCondition, FallbackOn, ProviderKind, SecretGeneration, Snapshot, fixture::*};

fn held(resources: &[proto::Resource]) -> Holdings {
    let mut holdings = Holdings::default();
    holdings.replace_all("epoch".into(), 1, encoded(resources));
    holdings
}

fn encoded(resources: &[proto::Resource]) -> Vec<Bytes> {
    resources.iter().map(|resource| resource.encode_to_vec().into()).collect()
}

fn built(holdings: &mut Holdings) -> (Snapshot, Vec<String>) {
    let (snapshot, problems) = holdings.build(&Health::default());
    let problems = problems.iter().map(|problem| format!("{} {}", problem.kind, problem.error.field)).collect();
    (snapshot, problems)
}

fn change(holdings: &mut Holdings, upserts: Vec<proto::Resource>) -> (Snapshot, Vec<String>) {
    holdings.change(holdings.revision + 1, upserts, []);
    built(holdings)
}

fn delete(holdings: &mut Holdings, reference: proto::ResourceRef) -> (Snapshot, Vec<String>) {
    holdings.change(holdings.revision + 1, vec![], [reference]);
    built(holdings)
}

/// The names of the upstream keys that the model leads to for access key 1.
fn serving(snapshot: &Snapshot, model: &str) -> Vec<String> {
    let key = &snapshot.access_key(&mac(1)).unwrap().key;
    let route = key.service.routes.iter().find(|route| route.models.iter().any(|pattern| pattern.matches(model)));
    let keys = route.into_iter().flat_map(|route| &route.targets).flat_map(|target| &target.pool.keys);
    keys.map(|key| key.name.to_string()).collect()
}

#[test]
fn an_access_key_leads_to_the_upstream_keys_of_its_service() {
    let mut holdings = held(&world());
    let (snapshot, problems) = built(&mut holdings);
    assert_eq!(problems, [""; 0]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1"]);
    assert!(snapshot.pepper().is_some());
    assert_eq!(snapshot.providers().count(), 1);
    assert_eq!((snapshot.epoch.as_str(), snapshot.revision), ("epoch", 1));
}

#[test]
fn keys_of_a_pool_are_the_enabled_ones_by_priority() {
    let mut resources = world();
    resources.push(upstream_key(2, 1, |key| key.priority = 5));
    resources.push(upstream_key(3, 1, |key| key.priority = 1));
    resources.push(upstream_key(4, 1, |key| key.enabled = false));
    let (snapshot, _) = built(&mut held(&resources));
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1", "upstream-3", "upstream-2"]);
}

#[test]
fn previous_secret_leads_to_the_same_key_until_its_time() {
    let mut holdings = held(&world());
    let rotated = access_key(1, 1, |key| {
        key.mac = mac(50).to_vec();
        key.previous_mac = mac(1).to_vec();
        key.previous_until_unix_ms = 1000;
    });
    let (snapshot, problems) = change(&mut holdings, vec![rotated]);
    assert_eq!(problems, [""; 0]);
    let (current, previous) = (snapshot.access_key(&mac(50)).unwrap(), snapshot.access_key(&mac(1)).unwrap());
    assert_eq!((current.secret, previous.secret), (SecretGeneration::Current, SecretGeneration::Previous));
    assert!(Arc::ptr_eq(&current.key, &previous.key));
    assert!(current.secret_is_accepted_at(i64::MAX));
    assert!(previous.secret_is_accepted_at(999_999));
    assert!(!previous.secret_is_accepted_at(1_000_000));
}

#[test]
fn a_secret_belongs_to_one_key_only() {
    let mut holdings = held(&world());
    let (snapshot, problems) = change(
        &mut holdings,
        vec![
            access_key(2, 1, |key| key.mac = mac(1).to_vec()),
            access_key(3, 1, |key| key.previous_mac = mac(1).to_vec()),
        ],
    );
    assert_eq!(problems, ["access_key mac"]);
    let entry = snapshot.access_key(&mac(1)).unwrap();
    assert_eq!((&*entry.key.name, entry.secret), ("access-1", SecretGeneration::Current));
}

#[test]
fn a_deleted_key_is_unknown() {
    let mut holdings = held(&world());
    let (snapshot, problems) = delete(&mut holdings, reference(proto::ResourceKind::AccessKey, 1));
    assert!(snapshot.access_key(&mac(1)).is_none());
    assert_eq!(problems, [""; 0]);
}

#[test]
fn what_cannot_be_read_keeps_its_last_good_version_until_it_is_sent_anew() {
    let mut holdings = held(&world());
    let bad = provider(1, |provider| provider.base_url = "nonsense".into());
    let (snapshot, problems) = change(&mut holdings, vec![bad, access_key(2, 1, |_| ())]);
    assert_eq!(problems, ["provider base_url"]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1"]);
    assert!(snapshot.access_key(&mac(2)).is_some(), "the rest of the change is in force");
    let (_, problems) = change(&mut holdings, vec![access_key(3, 1, |_| ())]);
    assert_eq!(problems, ["provider base_url"], "it is still not in force");
    let good = provider(1, |provider| provider.base_url = "https://new.example.com".into());
    let (snapshot, problems) = change(&mut holdings, vec![good]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(&*snapshot.providers().next().unwrap().base.host, "new.example.com");
}

#[test]
fn a_whole_snapshot_keeps_last_good_versions_too_and_drops_the_rest() {
    let mut holdings = held(&world());
    let mut resources = world();
    resources[1] = provider(1, |provider| provider.base_url = "nonsense".into());
    resources.retain(|resource| !matches!(resource.resource, Some(proto::resource::Resource::AccessKey(_))));
    resources.push(access_key(2, 1, |_| ()));
    holdings.replace_all("epoch".into(), 2, encoded(&resources));
    let (snapshot, problems) = built(&mut holdings);
    assert_eq!(problems, ["provider base_url"]);
    assert!(snapshot.access_key(&mac(1)).is_none());
    assert_eq!(snapshot.access_key(&mac(2)).unwrap().key.service.routes[0].targets[0].pool.keys.len(), 1);
}

#[test]
fn one_undecodable_resource_spoils_no_other() {
    let mut resources = encoded(&world());
    resources.insert(0, Bytes::from_static(b"\xff\xff\xff"));
    resources.push(Bytes::new());
    let mut holdings = Holdings::default();
    holdings.replace_all("epoch".into(), 1, resources);
    let (snapshot, problems) = built(&mut holdings);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1"]);
    assert_eq!(problems, ["resource resource"]);
}

#[test]
fn what_is_disabled_goes_even_when_it_cannot_be_read() {
    let mut holdings = held(&world());
    let (snapshot, problems) = change(
        &mut holdings,
        vec![
            access_key(1, 1, |key| (key.enabled, key.mac) = (false, vec![])),
            upstream_key(1, 1, |key| (key.enabled, key.secret) = (false, String::new())),
        ],
    );
    assert!(snapshot.access_key(&mac(1)).is_none());
    let service = snapshot.services().next().unwrap();
    assert_eq!(service.routes[0].targets[0].pool.keys.len(), 0);
    assert_eq!(problems, ["upstream_key secret", "access_key mac"]);
    let disabled = service_resource(1, |service| (service.enabled, service.strategy) = (false, 0));
    let (snapshot, _) = change(&mut holdings, vec![disabled]);
    assert_eq!(snapshot.services().count(), 0);
}

#[test]
fn a_vanished_pool_takes_its_targets_along_and_nothing_else() {
    let mut resources = world();
    resources.push(pool(2, 1));
    resources.push(upstream_key(2, 2, |_| ()));
    resources[4] = service_resource(1, |service| service.routes[0].targets.push(target(2)));
    let mut holdings = held(&resources);
    assert_eq!(serving(&built(&mut holdings).0, "gpt-4o"), ["upstream-1", "upstream-2"]);
    let (snapshot, problems) = delete(&mut holdings, reference(proto::ResourceKind::KeyPool, 1));
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-2"]);
    assert_eq!(problems, ["upstream_key pool_id", "service routes[0].targets[0].pool_id"]);
    let (snapshot, problems) = change(&mut holdings, vec![pool(1, 1)]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1", "upstream-2"]);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_route_keeps_its_targets_at_providers_of_different_kinds_and_what_it_says_of_them() {
    let mut resources = world();
    for (number, kind) in [(2, proto::ProviderKind::Anthropic), (3, proto::ProviderKind::Gemini)] {
        resources.push(provider(number, |provider| provider.kind = kind.into()));
        resources.push(pool(number, number));
        resources.push(upstream_key(number, number, |_| ()));
    }
    let claude = proto::Target { default_max_tokens: Some(8192), ..target(2) };
    resources[4] = service_resource(1, |service| {
        service.routes[0].targets = vec![claude, target(1), target(3)];
        service.routes[0].fallback = Some(proto::FallbackPolicy { on: vec![proto::FallbackCondition::Timeout.into()] });
    });
    let (snapshot, problems) = built(&mut held(&resources));
    assert_eq!(problems, [""; 0]);
    let route = &snapshot.access_key(&mac(1)).unwrap().key.service.routes[0];
    let targets = route.targets.iter().map(|target| (target.pool.provider.kind, target.default_max_tokens));
    let expected = [(ProviderKind::Anthropic, Some(8192)), (ProviderKind::Openai, None), (ProviderKind::Gemini, None)];
    assert_eq!(targets.collect::<Vec<_>>(), expected);
    assert_eq!(route.fallback_on, FallbackOn::from_iter([FallbackCondition::Timeout]));
}

#[test]
fn a_service_with_an_unknown_condition_keeps_its_last_good_version() {
    let mut holdings = held(&world());
    let newer = service_resource(1, |service| {
        service.routes[0].fallback = Some(proto::FallbackPolicy { on: vec![1, 99] });
    });
    let (snapshot, problems) = change(&mut holdings, vec![newer, access_key(2, 1, |_| ())]);
    assert_eq!(problems, ["service routes[0].fallback.on[1]"]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1"]);
    assert_eq!(snapshot.services().next().unwrap().routes[0].fallback_on, FallbackOn::default());
    assert!(snapshot.access_key(&mac(2)).is_some(), "the rest of the change is in force");
}

#[test]
fn routes_that_lead_nowhere_leave_the_last_good_ones_but_not_the_last_limits() {
    let mut holdings = held(&world());
    built(&mut holdings);
    let changed = service_resource(1, |service| {
        service.routes[0].targets = vec![target(9)];
        service.ip_deny = vec!["10.0.0.0/8".into()];
    });
    let (snapshot, problems) = change(&mut holdings, vec![changed]);
    assert_eq!(problems, ["service routes[0].targets[0].pool_id"]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-1"]);
    assert_eq!(snapshot.services().next().unwrap().ip_deny.len(), 1);
    let mut restarted = Holdings::default();
    restarted.replace_all("epoch".into(), 2, holdings.encoded().map(Bytes::copy_from_slice).collect::<Vec<_>>());
    assert_eq!(serving(&built(&mut restarted).0, "gpt-4o"), ["upstream-1"], "also from the disk");
    let (snapshot, problems) = change(&mut holdings, vec![pool(9, 1), upstream_key(9, 9, |_| ())]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(serving(&snapshot, "gpt-4o"), ["upstream-9"]);
}

#[test]
fn an_access_key_waits_for_its_service() {
    let mut holdings = held(&world());
    let (snapshot, problems) = change(&mut holdings, vec![access_key(2, 2, |_| ())]);
    assert!(snapshot.access_key(&mac(2)).is_none());
    assert_eq!(problems, ["access_key service_id"]);
    let (snapshot, problems) = change(&mut holdings, vec![service_resource(2, |_| ())]);
    assert!(snapshot.access_key(&mac(2)).is_some());
    assert_eq!(problems, [""; 0]);
    let (snapshot, _) = delete(&mut holdings, reference(proto::ResourceKind::Service, 2));
    assert!(snapshot.access_key(&mac(2)).is_none());
}

#[test]
fn what_did_not_change_is_shared_with_the_snapshot_before() {
    let mut holdings = held(&world());
    let (before, _) = built(&mut holdings);
    let (after, _) = change(&mut holdings, vec![access_key(2, 1, |_| ())]);
    let key = |snapshot: &Snapshot| Arc::clone(&snapshot.access_key(&mac(1)).unwrap().key);
    assert!(Arc::ptr_eq(&key(&before), &key(&after)));
    holdings.replace_all("epoch".into(), 3, encoded(&world()));
    let (resynced, _) = built(&mut holdings);
    assert!(Arc::ptr_eq(&key(&before), &key(&resynced)));
    let (changed, _) = change(&mut holdings, vec![upstream_key(1, 1, |key| key.weight = 9)]);
    assert!(!Arc::ptr_eq(&key(&before), &key(&changed)));
    assert_eq!(key(&changed).service.routes[0].targets[0].pool.keys[0].weight, 9);
}

#[test]
fn unknown_kinds_and_bad_references_are_named() {
    let mut holdings = held(&world());
    let unknown = proto::ResourceRef { kind: 99, id: "x".into() };
    let (_, problems) = delete(&mut holdings, unknown);
    assert_eq!(problems, ["resource id"]);
    let (_, problems) = change(&mut holdings, vec![proto::Resource { resource: None }]);
    assert_eq!(problems, ["resource resource", "resource id"]);
}

#[test]
fn a_snapshot_without_settings_recognises_nobody_and_says_so() {
    let (snapshot, problems) = built(&mut held(&world()[1..]));
    assert!(snapshot.pepper().is_none());
    assert_eq!(problems, ["settings access_key_pepper"]);
}

#[test]
fn nothing_that_is_held_can_be_printed() {
    let mut holdings = held(&world());
    let (snapshot, _) = built(&mut holdings);
    let printed = format!("{holdings:?} {snapshot:?}");
    assert!(!printed.contains("sk-canary"), "{printed}");
}

fn any_change() -> impl Strategy<Value = (Vec<proto::Resource>, Vec<proto::ResourceRef>)> {
    let resource =
        (0..6_u8, 0..4_u8, 0..4_u8, any::<bool>(), 0..8_u8).prop_map(|(kind, id, parent, enabled, damage)| {
            let bad = damage == 0;
            match kind {
                0 if bad => settings(vec![1]),
                0 => settings(vec![parent; 32]),
                1 => provider(id, |provider| {
                    if bad {
                        provider.base_url.clear();
                    }
                }),
                2 => pool(id, parent),
                3 => upstream_key(id, parent, |key| {
                    key.enabled = enabled;
                    if bad {
                        key.secret.clear();
                    }
                }),
                4 => service_resource(id, |service| {
                    service.enabled = enabled;
                    service.routes[0].targets = vec![target(parent), target(id)];
                    service.max_attempts = bad.then_some(0);
                }),
                _ => access_key(id, parent, |key| {
                    key.enabled = enabled;
                    key.previous_mac = mac(parent).to_vec();
                    if bad {
                        key.id.push('x');
                    }
                }),
            }
        });
    let reference = (0..8_i32, 0..4_u8).prop_map(|(kind, id)| proto::ResourceRef { kind, id: uuid(id) });
    (prop::collection::vec(resource, 0..4), prop::collection::vec(reference, 0..3))
}

proptest! {
    /// No stream of changes panics; what is deleted is gone; what is stored leads to the same snapshot; and whoever
    /// gets everything good at once holds the same as whoever got it bit by bit.
    #[test]
    fn any_stream_of_changes_is_taken(changes in prop::collection::vec(any_change(), 0..20)) {
        let mut holdings = Holdings::default();
        holdings.replace_all("epoch".into(), 1, vec![]);
        for (revision, (upserts, deletes)) in changes.into_iter().enumerate() {
            holdings.change(revision as u64 + 2, upserts, deletes.clone());
            let (snapshot, _) = holdings.build(&Health::default());
            for deleted in deletes.iter().filter(|deleted| deleted.kind() == proto::ResourceKind::Service) {
                prop_assert!(snapshot.services().all(|service| service.id.to_string() != deleted.id));
            }
            for mac in (0..4).map(mac) {
                if let Some(entry) = snapshot.access_key(&mac) {
                    let service = snapshot.service(entry.key.service.id);
                    prop_assert!(service.is_some_and(|service| Arc::ptr_eq(service, &entry.key.service)));
                }
            }
            let stored: Vec<Bytes> = holdings.encoded().map(Bytes::copy_from_slice).collect();
            let mut restarted = Holdings::default();
            restarted.replace_all("epoch".into(), holdings.revision, stored);
            let (again, _) = restarted.build(&Health::default());
            prop_assert_eq!(comparable(&snapshot), comparable(&again));
        }
        let mut resources = world();
        resources.push(access_key(3, 1, |_| ()));
        holdings.replace_all("other".into(), 1, encoded(&resources));
        prop_assert_eq!(comparable(&holdings.build(&Health::default()).0), comparable(&held_at("other", &resources).build(&Health::default()).0));
    }
}

fn held_at(epoch: &str, resources: &[proto::Resource]) -> Holdings {
    let mut holdings = Holdings::default();
    holdings.replace_all(epoch.into(), 1, encoded(resources));
    holdings
}

/// Everything that a request can see, without the order of hash maps.
fn comparable(snapshot: &Snapshot) -> String {
    let keys: BTreeMap<_, _> = snapshot.access_keys.iter().collect();
    let services: BTreeMap<_, _> = snapshot.services.iter().collect();
    let upstream: Vec<_> = services
        .values()
        .flat_map(|service| &service.routes)
        .flat_map(|route| &route.targets)
        .flat_map(|target| &target.pool.keys)
        .map(|key| key.credential.as_bytes())
        .collect();
    format!("{} {:?} {:?} {:?} {:?}", snapshot.epoch, snapshot.providers, services, keys, upstream)
}

#[test]
fn counters_and_users_outlive_what_changes_around_them() {
    let limits = |rpm| Some(proto::Limits { rpm: Some(rpm), ..Default::default() });
    let mut holdings = held(&world());
    let limited = |rpm| {
        vec![
            access_key(1, 1, |key| key.limits = limits(rpm)),
            service_resource(1, |service| service.limits = limits(rpm)),
            upstream_key(1, 1, |key| key.limits = limits(rpm)),
            user(0, |user| user.limits = limits(rpm)),
        ]
    };
    let (first, problems) = change(&mut holdings, limited(5));
    assert_eq!(problems, [""; 0]);
    let parts = |snapshot: &Snapshot| {
        let key = &snapshot.access_key(&mac(1)).unwrap().key;
        let upstream = &key.service.routes[0].targets[0].pool.keys[0];
        let user = key.user.as_ref().unwrap();
        let counted = [&key.counted, &user.counted, &key.service.counted, &upstream.counted];
        (key.user.as_ref().unwrap().limits.rpm, counted.map(|counted| Arc::clone(counted.counters().unwrap())))
    };
    let (second, _) = change(&mut holdings, limited(6));
    let ((old_rpm, old), (new_rpm, new)) = (parts(&first), parts(&second));
    assert_eq!((old_rpm, new_rpm), (Some(5), Some(6)));
    assert!(old.iter().zip(&new).all(|(old, new)| Arc::ptr_eq(old, new)));
    // Neither does a whole snapshot begin anew, nor what is stored forget the user.
    let stored: Vec<Bytes> = holdings.encoded().map(Bytes::copy_from_slice).collect();
    holdings.replace_all("epoch".into(), 9, stored);
    let (third, problems) = built(&mut holdings);
    assert_eq!(problems, [""; 0]);
    assert!(parts(&third).1.iter().zip(&new).all(|(old, new)| Arc::ptr_eq(old, new)));
    let (without, problems) = delete(&mut holdings, reference(proto::ResourceKind::User, 0));
    assert_eq!(problems, [""; 0]);
    assert!(without.access_key(&mac(1)).unwrap().key.user.is_none());
}

#[test]
fn a_disabled_user_is_one_for_all_keys_until_it_is_enabled_again() {
    let mut holdings = held(&world());
    let disabled = user(0, |user| user.disabled = true);
    let (snapshot, problems) = change(&mut holdings, vec![access_key(2, 1, |_| ()), disabled]);
    assert_eq!(problems, [""; 0]);
    let owner = |snapshot: &Snapshot, number| snapshot.access_key(&mac(number)).unwrap().key.user.clone();
    let users = [1, 2].map(|number| owner(&snapshot, number).unwrap());
    assert!(!users[0].enabled && Arc::ptr_eq(&users[0], &users[1]));
    // What is stored keeps it out, too.
    let mut restarted = Holdings::default();
    restarted.replace_all("epoch".into(), 2, holdings.encoded().map(Bytes::copy_from_slice).collect::<Vec<_>>());
    assert!(!owner(&built(&mut restarted).0, 1).unwrap().enabled);
    // With nothing else to be said of it, the control plane takes it away.
    let (snapshot, _) = delete(&mut holdings, reference(proto::ResourceKind::User, 0));
    assert!(owner(&snapshot, 1).is_none());
    let limits = proto::Limits { rpm: Some(5), ..Default::default() };
    let (snapshot, _) =
        change(&mut holdings, vec![user(0, |user| (user.disabled, user.limits) = (true, Some(limits)))]);
    assert!(!owner(&snapshot, 1).unwrap().enabled);
    let (snapshot, _) = change(&mut holdings, vec![user(0, |user| user.limits = Some(limits))]);
    assert!(owner(&snapshot, 1).unwrap().enabled);
}

#[test]
fn a_users_budget_is_in_the_snapshot_once_and_never_keeps_a_disabled_user_in() {
    let budget = |period: proto::BudgetPeriod| {
        Some(proto::Budget {
            amount_micros: 7,
            currency: "USD".into(),
            period: period.into(),
            hard: true,
            single: false,
        })
    };
    let mut holdings = held(&world());
    let good = user(0, |user| user.budget = budget(proto::BudgetPeriod::Week));
    let (snapshot, problems) = change(&mut holdings, vec![access_key(2, 1, |_| ()), good]);
    assert_eq!(problems, [""; 0]);
    let users: Vec<_> = snapshot.users().collect();
    assert_eq!((users.len(), users[0].budget.map(|budget| budget.amount.micros())), (1, Some(7)));
    let owner = |snapshot: &Snapshot| snapshot.access_key(&mac(2)).unwrap().key.user.clone().unwrap();
    assert!(Arc::ptr_eq(users[0], &owner(&snapshot)));
    // One that cannot be read leaves the last good version, unless the user is disabled.
    let unread =
        |disabled| user(0, |user| (user.disabled, user.budget) = (disabled, budget(proto::BudgetPeriod::Unspecified)));
    let (snapshot, problems) = change(&mut holdings, vec![unread(false)]);
    assert_eq!(problems, ["user budget.period"]);
    assert!(owner(&snapshot).enabled && owner(&snapshot).budget.is_some());
    let (snapshot, problems) = change(&mut holdings, vec![unread(true)]);
    assert_eq!(problems, [""; 0]);
    assert!(!owner(&snapshot).enabled);
}
