use http::{HeaderName, HeaderValue};
use tollgate_dialect::error::ErrorKind;
use tollgate_shared::{
    ids::{KeyPoolId, ProviderId, ServiceId, UpstreamKeyId},
    limits::{Limits, Timeouts},
};

use super::{pattern::Pattern, *};
use crate::{
    health::Health,
    limits::Counted,
    snapshot::{BaseUrl, LimitsMode, Provider, ProviderKind, Strategy},
};

pub(super) fn provider(kind: ProviderKind) -> Arc<Provider> {
    Arc::new(Provider {
        id: ProviderId::generate(),
        name: "provider".into(),
        kind,
        base: BaseUrl {
            https: true,
            host: "provider.test".into(),
            port: 443,
            authority: HeaderValue::from_static("provider.test"),
            path_prefix: None,
        },
        timeouts: Timeouts::default(),
        responses_api: true,
        models: Arc::from([]),
    })
}

/// With a key for each weight.
pub(super) fn pool(provider: &Arc<Provider>, weights: &[u32]) -> Arc<Pool> {
    let key = |weight: &u32| {
        Arc::new(UpstreamKey {
            id: UpstreamKeyId::generate(),
            name: "key".into(),
            credential: HeaderValue::from_static("Bearer sk"),
            credential_header: HeaderName::from_static("authorization"),
            weight: *weight,
            priority: 0,
            limits: Limits::default(),
            quota_group: None,
            counted: Counted::default(),
        })
    };
    Arc::new(Pool {
        id: KeyPoolId::generate(),
        name: "pool".into(),
        provider: Arc::clone(provider),
        keys: weights.iter().map(key).collect(),
    })
}

pub(super) fn target(pool: &Arc<Pool>, model: Option<&str>) -> Target {
    let pool = Arc::clone(pool);
    Target { pool, model: model.map(Into::into), weight: 1, priority: 0, default_max_tokens: None }
}

pub(super) fn route(pattern: &str, targets: Vec<Target>, health: &Health, previous: Option<&Route>) -> Route {
    Route::new(vec![Pattern::parse(pattern).unwrap()], targets, health, previous)
}

fn route_of(pattern: &str, targets: Vec<Target>) -> Route {
    route(pattern, targets, &Health::default(), None)
}

pub(super) fn service(routes: &[Route], strategy: Strategy) -> Arc<Service> {
    Arc::new(Service {
        id: ServiceId::generate(),
        name: "service".into(),
        slug: "service".into(),
        enabled: true,
        strategy,
        routes: routes.to_vec(),
        max_attempts: 3,
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        counted: Counted::default(),
        limits_mode: LimitsMode::Enforce,
        hidden_headers: Vec::new(),
        ip_allow: Vec::new(),
        ip_deny: Vec::new(),
        affinity: None,
        budget: None,
        require_signature: false,
        response_cache: None,
    })
}

/// The plan of a request for this model, if any, that names an object of this key.
fn pinned(routes: &[Route], key: UpstreamKeyId, model: Option<&str>) -> Result<Plan, Refusal> {
    let service = service(routes, Strategy::RoundRobin);
    let led_to =
        routes.iter().position(|route| route.models.iter().any(|pattern| pattern.matches(model.unwrap_or("x"))));
    let plan = Plan::new(service, led_to.unwrap_or(0), Reach::Any, false);
    plan.pinned_to(&Pin { key, field: "file_id".into() }, model, Protocol::OpenAi)
}

fn ask(successor: Successor) -> Ask<'static> {
    Ask { now: Moment(1_000_000), model: "x", successor, may_fail: true }
}

/// The pool of the only candidate, and the model's name there.
fn only(plan: Result<Plan, Refusal>, key: UpstreamKeyId) -> (KeyPoolId, Option<String>) {
    let mut plan = plan.unwrap();
    let (candidate, _) = plan.next(&ask(Successor::Anyone)).unwrap();
    assert_eq!((candidate.key.id, candidate.reason), (key, "pinned"));
    let found = (candidate.pool.id, candidate.model.map(str::to_owned));
    for successor in [Successor::Anyone, Successor::SameTarget, Successor::OtherTarget] {
        assert!(plan.next(&ask(successor)).is_none());
    }
    found
}

fn kind(plan: Result<Plan, Refusal>) -> ErrorKind {
    plan.err().unwrap().kind
}

#[test]
fn an_objects_key_is_the_only_candidate_even_one_that_is_not_scheduled_any_more() {
    let pool = pool(&provider(ProviderKind::Openai), &[1, 0]);
    let routes = [route_of("*", vec![target(&pool, Some("renamed"))])];
    for key in &pool.keys {
        assert_eq!(only(pinned(&routes, key.id, Some("gpt")), key.id), (pool.id, Some("renamed".into())));
        assert_eq!(only(pinned(&routes, key.id, None), key.id), (pool.id, None));
    }
}

#[test]
fn a_key_of_the_models_own_route_comes_before_the_same_key_elsewhere() {
    let pool = pool(&provider(ProviderKind::Openai), &[1]);
    let routes = [route_of("a*", vec![target(&pool, Some("one"))]), route_of("b*", vec![target(&pool, Some("two"))])];
    let key = pool.keys[0].id;
    assert_eq!(only(pinned(&routes, key, Some("b1")), key).1.as_deref(), Some("two"));
}

#[test]
fn a_file_of_another_route_is_used_with_the_name_that_the_model_has_at_its_provider() {
    let (openai, other) = (provider(ProviderKind::Openai), provider(ProviderKind::OpenaiCompatible));
    let (uploads, models, others) = (pool(&openai, &[1]), pool(&openai, &[1]), pool(&other, &[1]));
    let routes = [
        route_of("a*", vec![target(&uploads, Some("not this"))]),
        route_of("b*", vec![target(&others, Some("nor this")), target(&models, Some("this"))]),
        route_of("c*", vec![target(&others, None)]),
    ];
    let key = uploads.keys[0].id;
    assert_eq!(only(pinned(&routes, key, Some("b1")), key), (uploads.id, Some("this".into())));
    assert_eq!(kind(pinned(&routes, key, Some("c1"))), ErrorKind::InvalidRequest);
    assert_eq!(only(pinned(&routes, key, None), key), (uploads.id, None));
}

#[test]
fn an_object_whose_key_the_service_does_not_have_is_lost() {
    let openai = provider(ProviderKind::Openai);
    let routes = [route_of("*", vec![target(&pool(&openai, &[1]), None)])];
    for model in [Some("gpt"), None] {
        assert_eq!(kind(pinned(&routes, UpstreamKeyId::generate(), model)), ErrorKind::UpstreamKeyGone);
    }
}

#[test]
fn an_object_at_a_provider_of_another_protocol_is_not_translated() {
    let pool = pool(&provider(ProviderKind::Anthropic), &[1]);
    let routes = [route_of("*", vec![target(&pool, None)])];
    assert_eq!(kind(pinned(&routes, pool.keys[0].id, Some("claude"))), ErrorKind::InvalidRequest);
}
