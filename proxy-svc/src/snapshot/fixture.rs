//! Resources for tests, numbered.

use std::sync::Arc;

use prost::Message;
use tollgate_proto::{self as proto, resource::Resource};
use tollgate_shared::access_key::AccessKeyMac;
use uuid::Uuid;

use super::{AccessKey, Snapshot, holdings::Holdings};
use crate::health::Health;

pub(crate) fn uuid(number: u8) -> String {
    Uuid::from_u128(u128::from(number) + 1).to_string()
}

pub(super) fn mac(number: u8) -> AccessKeyMac {
    let mut mac = [number; 32];
    // As evenly spread as a real one, where the hash looks.
    mac[0] = number.wrapping_mul(37);
    mac
}

/// Settings, provider 1, pool 1, upstream key 1, service 1, access key 1, in this order.
pub(super) fn world() -> Vec<proto::Resource> {
    vec![
        settings(vec![7; 32]),
        provider(1, |_| ()),
        pool(1, 1),
        upstream_key(1, 1, |_| ()),
        service_resource(1, |_| ()),
        access_key(1, 1, |_| ()),
    ]
}

pub(super) fn settings(access_key_pepper: Vec<u8>) -> proto::Resource {
    wrap(Resource::Settings(proto::Settings { access_key_pepper, access_token_keys: vec![] }))
}

pub(super) fn provider(number: u8, change: impl FnOnce(&mut proto::Provider)) -> proto::Resource {
    let mut provider = proto::Provider {
        id: uuid(number),
        name: format!("provider-{number}"),
        kind: proto::ProviderKind::Openai.into(),
        base_url: "https://api.openai.com".into(),
        ..proto::Provider::default()
    };
    change(&mut provider);
    wrap(Resource::Provider(provider))
}

pub(super) fn pool(number: u8, provider: u8) -> proto::Resource {
    let (id, provider_id) = (uuid(number), uuid(provider));
    wrap(Resource::KeyPool(proto::KeyPool { id, name: format!("pool-{number}"), provider_id }))
}

pub(super) fn upstream_key(number: u8, pool: u8, change: impl FnOnce(&mut proto::UpstreamKey)) -> proto::Resource {
    let mut key = proto::UpstreamKey {
        id: uuid(number),
        pool_id: uuid(pool),
        name: format!("upstream-{number}"),
        secret: format!("sk-canary-{number}"),
        weight: 1,
        priority: 0,
        limits: None,
        enabled: true,
        quota_group: String::new(),
    };
    change(&mut key);
    wrap(Resource::UpstreamKey(key))
}

pub(super) fn target(pool: u8) -> proto::Target {
    proto::Target { pool_id: uuid(pool), model: None, weight: 1, priority: 0, default_max_tokens: None }
}

/// With one route for every model to pool 1.
pub(super) fn service_resource(number: u8, change: impl FnOnce(&mut proto::Service)) -> proto::Resource {
    let mut service = proto::Service {
        id: uuid(number),
        name: format!("service-{number}"),
        slug: format!("service-{number}"),
        enabled: true,
        strategy: proto::Strategy::RoundRobin.into(),
        routes: vec![proto::Route { models: vec!["*".into()], targets: vec![target(1)], fallback: None }],
        max_attempts: None,
        timeouts: None,
        limits: None,
        hidden_headers: vec![],
        ip_allow: vec![],
        ip_deny: vec![],
        affinity: None,
        limits_mode: proto::LimitsMode::Enforce.into(),
        budget: None,
        require_signature: false,
        response_cache: None,
    };
    change(&mut service);
    wrap(Resource::Service(service))
}

/// Its MAC is [`mac`] of its number.
pub(super) fn access_key(number: u8, service: u8, change: impl FnOnce(&mut proto::AccessKey)) -> proto::Resource {
    let mut key = proto::AccessKey {
        id: uuid(number),
        service_id: uuid(service),
        user_id: uuid(0),
        name: format!("access-{number}"),
        mac: mac(number).to_vec(),
        previous_mac: vec![],
        previous_until_unix_ms: 0,
        expires_at_unix_ms: None,
        enabled: true,
        limits: None,
        models: vec![],
        ip_allow: vec![],
        budget: None,
    };
    change(&mut key);
    wrap(Resource::AccessKey(key))
}

/// Access keys belong to user 0.
pub(super) fn user(number: u8, change: impl FnOnce(&mut proto::User)) -> proto::Resource {
    let mut user = proto::User { id: uuid(number), limits: None, disabled: false, budget: None };
    change(&mut user);
    wrap(Resource::User(user))
}

pub(super) fn reference(kind: proto::ResourceKind, number: u8) -> proto::ResourceRef {
    proto::ResourceRef { kind: kind.into(), id: uuid(number) }
}

const fn wrap(resource: Resource) -> proto::Resource {
    proto::Resource { resource: Some(resource) }
}

/// Of [`world`] with other settings.
pub(crate) fn snapshot_with_token_keys(keys: &[(&str, Vec<u8>)]) -> Snapshot {
    built(&world_with_token_keys(keys))
}

/// As [`snapshot_with_token_keys`]; the owner of access key 1 is disabled.
pub(crate) fn snapshot_with_a_disabled_user(keys: &[(&str, Vec<u8>)]) -> Snapshot {
    let mut resources = world_with_token_keys(keys);
    resources.push(user(0, |user| user.disabled = true));
    built(&resources)
}

fn world_with_token_keys(keys: &[(&str, Vec<u8>)]) -> Vec<proto::Resource> {
    let keys =
        keys.iter().map(|(id, public_key)| proto::TokenKey { id: (*id).to_owned(), public_key: public_key.clone() });
    let settings = proto::Settings { access_key_pepper: vec![7; 32], access_token_keys: keys.collect() };
    let mut resources = world();
    resources[0] = wrap(Resource::Settings(settings));
    resources
}

/// Access key 1, of a service that was changed.
pub(crate) fn key_of_a_service(change: impl FnOnce(&mut proto::Service)) -> Arc<AccessKey> {
    let mut resources = world();
    resources[4] = service_resource(1, change);
    let snapshot = built(&resources);
    let id = uuid(1).parse().unwrap();
    Arc::clone(snapshot.access_key_by_id(id).unwrap())
}

/// Of [`world`] with a budget of its amount at the service, at the owner of its two access keys, and at the first of these.
pub(crate) fn snapshot_with_budgets(amounts: [Option<i64>; 3]) -> Snapshot {
    let [of_service, of_user, of_key] = amounts.map(|amount| {
        let (currency, period) = ("USD".to_owned(), proto::BudgetPeriod::Day.into());
        amount.map(|amount_micros| proto::Budget { amount_micros, currency, period, hard: true, single: false })
    });
    let mut resources = world();
    resources[4] = service_resource(1, |service| service.budget = of_service);
    resources[5] = access_key(1, 1, |key| key.budget = of_key);
    resources.extend([access_key(2, 1, |_| ()), user(0, |user| user.budget = of_user)]);
    built(&resources)
}

fn built(resources: &[proto::Resource]) -> Snapshot {
    let mut holdings = Holdings::default();
    let encoded = resources.iter().map(|resource| resource.encode_to_vec().into());
    holdings.replace_all("epoch".to_owned(), 1, encoded);
    let (snapshot, problems) = holdings.build(&Health::default());
    assert!(problems.is_empty(), "{problems:?}");
    snapshot
}
