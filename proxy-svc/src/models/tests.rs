use serde_json::{Value, json};
use tollgate_shared::{
    ids::{AccessKeyId, KeyPoolId, ProviderId, ServiceId, UserId},
    limits::{Limits, Timeouts},
};

use super::*;
use crate::{
    health::Health,
    limits::Counted,
    route::pattern::Pattern,
    snapshot::{AccessKey, LimitsMode, Pool, ProviderKind, Service, Strategy, Target},
};

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

/// A target at a provider that lists these models.
fn target(listed: &[&str], model: Option<&str>) -> Target {
    let provider = Provider {
        id: ProviderId::generate(),
        name: "p".into(),
        kind: ProviderKind::Openai,
        base: "https://p.example".parse().unwrap(),
        timeouts: Timeouts::default(),
        responses_api: true,
        models: listed.iter().map(|name| Box::from(*name)).collect(),
    };
    let pool = Pool { id: KeyPoolId::generate(), name: "p".into(), provider: Arc::new(provider), keys: Vec::new() };
    let model = model.map(Into::into);
    Target { pool: Arc::new(pool), model, weight: 1, priority: 0, default_max_tokens: None }
}

fn key(models: &[&str], routes: Vec<Route>) -> Principal {
    let service = Service {
        id: ServiceId::generate(),
        name: "s".into(),
        slug: "s".into(),
        enabled: true,
        strategy: Strategy::RoundRobin,
        routes,
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
    };
    Principal::of(Arc::new(AccessKey {
        id: AccessKeyId::generate(),
        service: Arc::new(service),
        user_id: UserId::generate(),
        name: "k".into(),
        expires_at: None,
        previous_until: 0,
        enabled: true,
        limits: Limits::default(),
        counted: Counted::default(),
        user: None,
        models: patterns(models).into(),
        ip_allow: Vec::new().into(),
        budget: None,
    }))
}

fn route(models: &[&str], targets: Vec<Target>) -> Route {
    Route::new(patterns(models), targets, &Health::default(), None)
}

/// Everything that a name may come from.
fn routes() -> Vec<Route> {
    vec![
        route(&["smart", "gpt-4.1"], vec![target(&["gpt-5", "other"], Some("gpt-5"))]),
        route(&["gpt-*", "o3*"], vec![target(&["gpt-5", "o3-mini", "whisper-1"], None), target(&["gpt-4.1"], None)]),
        route(&["claude-*"], vec![target(&["claude-opus-5", "gpt-6"], None)]),
        route(&["unknown-*"], vec![target(&[], None)]),
    ]
}

#[test]
fn names_are_the_routes_own_and_the_matching_ones_of_their_providers() {
    assert_eq!(offered(&key(&[], routes())), ["claude-opus-5", "gpt-4.1", "gpt-5", "o3-mini", "smart"]);
    assert_eq!(offered(&key(&[], Vec::new())), Vec::<&str>::new());
}

#[test]
fn target_that_renames_adds_only_exact_names() {
    let renaming = vec![target(&["gpt-5", "gpt-4.1"], Some("gpt-5"))];
    assert_eq!(offered(&key(&[], vec![route(&["gpt-*", "smart"], renaming.clone())])), ["smart"]);
    let mixed = [renaming, vec![target(&["gpt-6"], None)]].concat();
    assert_eq!(offered(&key(&[], vec![route(&["gpt-*"], mixed)])), ["gpt-6"]);
}

#[test]
fn key_that_is_limited_to_some_models_sees_only_those() {
    assert_eq!(offered(&key(&["gpt-*"], routes())), ["gpt-4.1", "gpt-5"]);
    assert_eq!(offered(&key(&["smart", "claude-*"], routes())), ["claude-opus-5", "smart"]);
    assert_eq!(offered(&key(&["none"], routes())), Vec::<&str>::new());
}

#[test]
fn model_is_found_when_it_may_be_called_listed_or_not() {
    for (models, name, found) in [
        (&[][..], "smart", true),
        (&[], "gpt-5", true),
        (&[], "gpt-5-2025-08-07", true),
        (&[], "unknown-7", true),
        (&[], "whisper-1", false),
        (&[], "Smart", false),
        (&[], "", false),
        (&["claude-*"], "gpt-5", false),
        (&["claude-*"], "claude-opus-5", true),
    ] {
        let answer = one(&key(models, routes()), Protocol::OpenAi, name);
        match answer {
            Ok(body) => {
                let model: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!((model["id"].as_str(), true), (Some(name), found));
            }
            Err(refusal) => assert_eq!((refusal.kind, false), (ErrorKind::ModelNotFound, found), "{name}"),
        }
    }
}

#[test]
fn list_has_the_callers_shape_and_bad_parameters_are_refused() {
    let key = key(&["gpt-*"], routes());
    let listed = |protocol, query| -> Value { serde_json::from_slice(&list(&key, protocol, query).unwrap()).unwrap() };
    assert_eq!(listed(Protocol::OpenAi, "")["data"][1]["id"], "gpt-5");
    assert_eq!(listed(Protocol::Anthropic, "limit=1")["has_more"], json!(true));
    assert_eq!(listed(Protocol::Gemini, "")["models"][0]["name"], "models/gpt-4.1");
    let refused = list(&key, Protocol::Anthropic, "limit=0").unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidRequest);
}
