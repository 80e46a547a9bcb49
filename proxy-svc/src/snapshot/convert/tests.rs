use super::*;
use crate::snapshot::{AffinitySource, CacheScope, FallbackCondition, ResponseCache, Strategy};

fn service() -> proto::Service {
    proto::Service {
        id: ServiceId::generate().to_string(),
        name: "Chat".into(),
        slug: "chat".into(),
        enabled: true,
        strategy: proto::Strategy::Weighted.into(),
        routes: vec![proto::Route {
            models: vec!["gpt-*".into()],
            targets: vec![proto::Target {
                pool_id: KeyPoolId::generate().to_string(),
                model: Some("gpt-4o".into()),
                weight: 2,
                priority: 1,
                default_max_tokens: Some(4096),
            }],
            fallback: Some(proto::FallbackPolicy { on: vec![proto::FallbackCondition::ContextWindow.into()] }),
        }],
        max_attempts: None,
        timeouts: Some(proto::Timeouts { connect_ms: Some(7), ..Default::default() }),
        limits: Some(proto::Limits { rpm: Some(5), ..Default::default() }),
        hidden_headers: vec!["x-tollgate-cost".into()],
        ip_allow: vec!["10.0.0.0/8".into(), "::1".into()],
        ip_deny: vec![],
        affinity: Some(proto::Affinity {
            by: vec![proto::AffinitySource::PromptCacheKey.into(), proto::AffinitySource::Header.into()],
            header: "x-session-id".into(),
        }),
        limits_mode: proto::LimitsMode::Shadow.into(),
        budget: None,
        require_signature: true,
        response_cache: Some(proto::ResponseCache { ttl_seconds: 60, max_entry_bytes: Some(7), scope: 2 }),
    }
}

fn provider() -> proto::Provider {
    proto::Provider {
        id: ProviderId::generate().to_string(),
        name: "p".into(),
        kind: proto::ProviderKind::Openai.into(),
        base_url: "https://api.openai.com".into(),
        ..proto::Provider::default()
    }
}

fn access_key() -> proto::AccessKey {
    proto::AccessKey {
        id: AccessKeyId::generate().to_string(),
        service_id: ServiceId::generate().to_string(),
        user_id: UserId::generate().to_string(),
        name: "laptop".into(),
        mac: vec![1; 32],
        previous_mac: vec![2; 32],
        previous_until_unix_ms: 5,
        expires_at_unix_ms: Some(7),
        enabled: true,
        limits: None,
        models: vec!["gpt-4o".into()],
        ip_allow: vec![],
        budget: None,
    }
}

fn upstream_key(secret: &str) -> proto::UpstreamKey {
    proto::UpstreamKey {
        id: UpstreamKeyId::generate().to_string(),
        pool_id: KeyPoolId::generate().to_string(),
        name: "first".into(),
        secret: secret.into(),
        weight: 1,
        priority: 0,
        limits: None,
        enabled: true,
        quota_group: "account-1".into(),
    }
}

#[test]
fn service_keeps_every_field() {
    let ServiceSpec { service: converted, routes } = service().try_into().unwrap();
    assert_eq!(converted.max_attempts, 3);
    assert_eq!(converted.strategy, Strategy::Weighted);
    assert_eq!(converted.timeouts.connect_ms, Some(7));
    assert_eq!(converted.limits.rpm, Some(5));
    assert_eq!(converted.hidden_headers, ["x-tollgate-cost"]);
    let sources = [AffinitySource::PromptCacheKey, AffinitySource::Header(HeaderName::from_static("x-session-id"))];
    assert_eq!(converted.affinity.unwrap().by, sources);
    assert_eq!(converted.ip_allow, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
    let cache = ResponseCache { ttl_seconds: 60, max_entry_bytes: 7, scope: CacheScope::Service };
    assert_eq!(converted.response_cache, Some(cache));
    assert_eq!(routes[0].models[0].as_str(), "gpt-*");
    assert_eq!(routes[0].targets[0].model.as_deref(), Some("gpt-4o"));
    assert_eq!((routes[0].targets[0].weight, routes[0].targets[0].priority), (2, 1));
    assert_eq!(routes[0].targets[0].default_max_tokens, Some(4096));
    assert_eq!(routes[0].fallback_on, FallbackOn::from_iter([FallbackCondition::ContextWindow]));
}

#[test]
fn answers_are_shared_with_nobody_unless_it_is_said() {
    let converted = |ttl_seconds, scope| {
        let cache = Some(proto::ResponseCache { ttl_seconds, max_entry_bytes: None, scope });
        ServiceSpec::try_from(proto::Service { response_cache: cache, ..service() })
    };
    for (scope, expected) in [(0, CacheScope::AccessKey), (1, CacheScope::AccessKey), (99, CacheScope::AccessKey)] {
        let cache = converted(1, scope).unwrap().service.response_cache.unwrap();
        assert_eq!((cache.scope, cache.max_entry_bytes), (expected, 1 << 20));
    }
    assert_eq!(converted(0, 1).unwrap_err().field, "response_cache.ttl_seconds");
    let none = ServiceSpec::try_from(proto::Service { response_cache: None, ..service() }).unwrap();
    assert_eq!(none.service.response_cache, None);
}

#[test]
fn an_absent_fallback_is_the_default_and_an_empty_one_is_never() {
    let converted = |fallback| {
        let route = proto::Route { fallback, ..service().routes.remove(0) };
        RouteSpec::try_from(route).unwrap().fallback_on
    };
    assert_eq!(converted(None), FallbackOn::default());
    assert_eq!(converted(Some(proto::FallbackPolicy { on: vec![] })), FallbackOn::from_iter([]));
}

#[test]
fn every_condition_keeps_its_meaning() {
    for (sent, expected) in [
        (proto::FallbackCondition::RateLimited, FallbackCondition::RateLimited),
        (proto::FallbackCondition::Overloaded, FallbackCondition::Overloaded),
        (proto::FallbackCondition::ServerError, FallbackCondition::ServerError),
        (proto::FallbackCondition::Timeout, FallbackCondition::Timeout),
        (proto::FallbackCondition::CredentialsRefused, FallbackCondition::CredentialsRefused),
        (proto::FallbackCondition::ContextWindow, FallbackCondition::ContextWindow),
        (proto::FallbackCondition::ContentPolicy, FallbackCondition::ContentPolicy),
    ] {
        let policy = proto::FallbackPolicy { on: vec![sent.into(), sent.into()] };
        assert_eq!(FallbackOn::try_from(policy).unwrap(), FallbackOn::from_iter([expected]));
    }
}

#[test]
fn wrong_fields_of_a_service_are_named_by_their_path() {
    type Change = fn(&mut proto::Service);
    let changes: [(&str, Change); 15] = [
        ("id", |service| service.id = "7".into()),
        ("strategy", |service| service.strategy = 99),
        ("affinity.by", |service| service.affinity = Some(proto::Affinity::default())),
        ("affinity.by[1]", |service| service.affinity.as_mut().unwrap().by[1] = 99),
        ("affinity.header", |service| service.affinity.as_mut().unwrap().header = "a b".into()),
        ("max_attempts", |service| service.max_attempts = Some(0)),
        ("timeouts.total_ms", |service| service.timeouts.as_mut().unwrap().total_ms = Some(0)),
        ("hidden_headers[0]", |service| service.hidden_headers[0] = "a b".into()),
        ("ip_allow[1]", |service| service.ip_allow[1] = "everyone".into()),
        ("routes[0].models[0]", |service| service.routes[0].models[0] = String::new()),
        ("routes[0].targets[0].pool_id", |service| service.routes[0].targets[0].pool_id = "x".into()),
        ("routes[0].targets[0].default_max_tokens", |service| {
            service.routes[0].targets[0].default_max_tokens = Some(0);
        }),
        ("response_cache.max_entry_bytes", |service| {
            service.response_cache.as_mut().unwrap().max_entry_bytes = Some(0);
        }),
        ("routes[0].fallback.on[1]", |service| service.routes[0].fallback.as_mut().unwrap().on.push(99)),
        ("routes[0].fallback.on[0]", |service| service.routes[0].fallback.as_mut().unwrap().on[0] = 0),
    ];
    for (field, change) in changes {
        let mut message = service();
        change(&mut message);
        assert_eq!(ServiceSpec::try_from(message).unwrap_err().field, field);
    }
}

#[test]
fn access_key_times_become_microseconds() {
    let spec = AccessKeySpec::try_from(access_key()).unwrap();
    assert_eq!((spec.expires_at, spec.previous_until), (Some(7_000), 5_000));
    assert_eq!(spec.previous_mac.as_deref(), Some(&[2; 32]));
    let forever = proto::AccessKey { expires_at_unix_ms: Some(i64::MAX), ..access_key() };
    assert_eq!(AccessKeySpec::try_from(forever).unwrap().expires_at, Some(i64::MAX));
}

#[test]
fn wrong_fields_of_an_access_key_are_named() {
    type Change = fn(&mut proto::AccessKey);
    let changes: [(&str, Change); 5] = [
        ("mac", |key| key.mac.clear()),
        ("previous_mac", |key| key.previous_mac = vec![1; 31]),
        ("service_id", |key| key.service_id.clear()),
        ("user_id", |key| key.user_id = "me".into()),
        ("ip_allow[0]", |key| key.ip_allow = vec!["10.0.0.0/99".into()]),
    ];
    for (field, change) in changes {
        let mut message = access_key();
        change(&mut message);
        assert_eq!(AccessKeySpec::try_from(message).unwrap_err().field, field);
    }
}

#[test]
fn credentials_take_each_providers_form_and_stay_hidden() {
    let spec = UpstreamKeySpec::try_from(upstream_key("sk-canary")).unwrap();
    for (kind, header, value) in [
        (ProviderKind::Openai, "authorization", "Bearer sk-canary"),
        (ProviderKind::OpenaiCompatible, "authorization", "Bearer sk-canary"),
        (ProviderKind::Anthropic, "x-api-key", "sk-canary"),
        (ProviderKind::Gemini, "x-goog-api-key", "sk-canary"),
    ] {
        let (name, credential) = spec.credential(kind).unwrap();
        assert_eq!((name.as_str(), credential.to_str().unwrap()), (header, value));
        assert!(!format!("{credential:?}").contains("canary"));
    }
    assert!(!format!("{spec:?}").contains("canary"));
}

#[test]
fn secrets_that_cannot_stand_in_a_header_are_refused_without_quoting_them() {
    for secret in ["", "sk canary", "sk-canary\r\nx: y", "sk-canäry", &"x".repeat(9000)] {
        let error = UpstreamKeySpec::try_from(upstream_key(secret)).unwrap_err();
        assert_eq!(error.field, "secret");
        assert!(!error.message.contains("can"), "{error}");
    }
}

#[test]
fn provider_kind_and_base_url_are_checked() {
    let provider = |kind: i32, base_url: &str| {
        Provider::try_from(proto::Provider { kind, base_url: base_url.into(), ..provider() })
    };
    assert!(provider(1, "https://api.openai.com").is_ok());
    assert_eq!(provider(0, "https://api.openai.com").unwrap_err().field, "kind");
    assert_eq!(provider(77, "https://api.openai.com").unwrap_err().field, "kind");
    let error = provider(1, "https://user:canary@host").unwrap_err();
    assert_eq!(error.field, "base_url");
    assert!(!error.message.contains("canary"));
}

#[test]
fn responses_are_offered_as_said_and_else_by_openai_alone() {
    use proto::ProviderKind::{Anthropic, Gemini, Openai, OpenaiCompatible};
    for (kind, said, expected) in [
        (Openai, None, true),
        (Openai, Some(false), false),
        (OpenaiCompatible, None, false),
        (OpenaiCompatible, Some(true), true),
        (Anthropic, Some(true), false),
        (Gemini, Some(true), false),
    ] {
        let message = proto::Provider { kind: kind.into(), responses_api: said, ..provider() };
        assert_eq!(Provider::try_from(message).unwrap().responses_api, expected, "{kind:?} {said:?}");
    }
}

#[test]
fn names_of_models_are_taken_over_but_for_those_that_cannot_be_any() {
    let converted = |models: Vec<String>| Provider::try_from(proto::Provider { models, ..provider() }).unwrap().models;
    let sent = ["gpt-5", "", "é".repeat(256).as_str(), "x".repeat(257).as_str(), "a\nb", "gpt-4.1"].map(str::to_owned);
    let kept: Vec<Box<str>> = ["gpt-5", "é".repeat(256).as_str(), "gpt-4.1"].map(Box::from).to_vec();
    assert_eq!(*converted(sent.to_vec()), *kept);
    assert_eq!(converted((0..10_001).map(|number| number.to_string()).collect()).len(), 10_000);
    assert!(converted(Vec::new()).is_empty());
}

#[test]
fn pepper_has_32_bytes() {
    let settings = |pepper: usize, keys: &[(&str, usize)]| {
        let key = |(id, length): &(&str, usize)| proto::TokenKey { id: (*id).into(), public_key: vec![0; *length] };
        let access_token_keys = keys.iter().map(key).collect();
        SettingsSpec::try_from(proto::Settings { access_key_pepper: vec![0; pepper], access_token_keys })
            .map(|settings| settings.token_keys.len())
            .map_err(|error| error.field)
    };
    assert_eq!(settings(32, &[]), Ok(0));
    assert_eq!(settings(32, &[("a", 32), ("b", 32)]), Ok(2));
    assert_eq!(settings(16, &[]), Err("access_key_pepper".into()));
    assert_eq!(settings(32, &[("a", 31)]), Err("access_token_keys[0].public_key".into()));
    assert_eq!(settings(32, &[("a", 32), ("", 32)]), Err("access_token_keys[1].id".into()));
}
