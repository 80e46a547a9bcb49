//! What makes a service valid. Whether its pools exist is for `app` to say.

use super::{Affinity, FallbackCondition, ResponseCache, Route, ServiceSpec, Target};
use crate::domain::validation::{Invalid, Violations};

const HIGHEST_WEIGHT: u32 = 10_000;
const HIGHEST_PRIORITY: u32 = 1_000;
const MOST_ATTEMPTS: u32 = 10;
const MOST_ROUTES: usize = 200;
const MOST_TARGETS: usize = 100;
const LONGEST_SLUG: usize = 63;
/// A day: what is older is asked for anew.
const LONGEST_TTL_SECONDS: u32 = 86_400;
/// As much as a proxy's cache takes of one answer.
const LARGEST_ENTRY_BYTES: u32 = 16 << 20;

const LONGEST_HEADER: usize = 100;

/// A session's name is not a credential.
const SECRET_HEADERS: [&str; 5] = ["authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"];

/// Response headers that a service may switch off.
const SWITCHABLE_HEADERS: [&str; 12] = [
    "x-request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "x-tollgate-attempts",
    "x-tollgate-provider",
    "x-tollgate-model",
    "x-tollgate-cost",
    // And `age` with it.
    "x-tollgate-cache",
];

impl ServiceSpec {
    /// The spec with networks and header names in their normal form.
    pub fn validated(mut self) -> Result<Self, Invalid> {
        let mut violations = Violations::default();
        violations.name("name", &self.name);
        violations.require(is_slug(&self.slug), "slug", SLUG_RULE);
        violations.require(!self.routes.is_empty(), "routes", "must have at least one route");
        violations.require(self.routes.len() <= MOST_ROUTES, "routes", "must not have more than 200 entries");
        for (index, route) in self.routes.iter().enumerate() {
            check_route(&mut violations, &format!("routes[{index}]"), route);
        }
        let attempts = self.retry.max_attempts.unwrap_or(1);
        violations.require((1..=MOST_ATTEMPTS).contains(&attempts), "retry.max_attempts", "must be 1 to 10");
        violations.timeouts("timeouts", &self.timeouts);
        violations.limits("limits", &self.limits);
        violations.budget("budget", self.budget.as_ref());
        violations.networks("security.ip_allow", &mut self.security.ip_allow);
        violations.networks("security.ip_deny", &mut self.security.ip_deny);
        check_headers(&mut violations, &mut self.hidden_headers);
        if let Some(affinity) = &mut self.affinity {
            check_affinity(&mut violations, affinity);
        }
        if let Some(cache) = &self.response_cache {
            check_cache(&mut violations, cache);
        }
        violations.finish().map(|()| self)
    }
}

const SLUG_RULE: &str =
    "must have 1 to 63 lower-case letters, digits and single hyphens, and start and end without one";

fn is_slug(slug: &str) -> bool {
    (1..=LONGEST_SLUG).contains(&slug.len())
        && slug
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn check_route(violations: &mut Violations, path: &str, route: &Route) {
    let Route { models, targets, fallback_on } = route;
    let models_path = format!("{path}.models");
    violations.require(!models.is_empty(), &models_path, "must have at least one model");
    violations.models(&models_path, models);
    let targets_path = format!("{path}.targets");
    violations.require(!targets.is_empty(), &targets_path, "must have at least one target");
    violations.require(targets.len() <= MOST_TARGETS, &targets_path, "must not have more than 100 entries");
    let all_zero = !targets.is_empty() && targets.iter().all(|target| target.weight == 0);
    violations.require(!all_zero, &targets_path, "must have a target whose weight is above 0");
    for (index, target) in targets.iter().enumerate() {
        check_target(violations, &format!("{targets_path}[{index}]"), target);
    }
    check_fallback(violations, &format!("{path}.fallback_on"), fallback_on.as_deref().unwrap_or_default());
}

fn check_target(violations: &mut Violations, path: &str, target: &Target) {
    let Target { pool_id: _, model, weight, priority, default_max_tokens } = target;
    if let Some(model) = model {
        violations.model(&format!("{path}.model"), model);
        violations.require(!model.contains('*'), &format!("{path}.model"), "must be a name, not a pattern");
    }
    violations.require(*weight <= HIGHEST_WEIGHT, &format!("{path}.weight"), "must not be above 10000");
    violations.require(*priority <= HIGHEST_PRIORITY, &format!("{path}.priority"), "must not be above 1000");
    let default_fits = default_max_tokens.is_none_or(|tokens| tokens >= 1);
    violations.require(default_fits, &format!("{path}.default_max_tokens"), "must be at least 1");
}

fn check_fallback(violations: &mut Violations, path: &str, conditions: &[FallbackCondition]) {
    for (index, condition) in conditions.iter().enumerate() {
        let repeated = conditions[..index].contains(condition);
        violations.require(!repeated, &format!("{path}[{index}]"), "must not be there twice");
    }
}

fn check_headers(violations: &mut Violations, headers: &mut [String]) {
    for (index, header) in headers.iter_mut().enumerate() {
        header.make_ascii_lowercase();
        let known = SWITCHABLE_HEADERS.contains(&header.as_str());
        violations.require(known, &format!("hidden_headers[{index}]"), "is not a header that can be switched off");
    }
}

fn check_affinity(violations: &mut Violations, affinity: &mut Affinity) {
    let Affinity { by, header } = affinity;
    violations.require(!by.is_empty(), "affinity.by", "must have at least one source");
    for (index, source) in by.iter().enumerate() {
        let repeated = by[..index].contains(source);
        violations.require(!repeated, &format!("affinity.by[{index}]"), "must not be there twice");
    }
    header.make_ascii_lowercase();
    let is_name = header.len() <= LONGEST_HEADER && header.parse::<http::HeaderName>().is_ok();
    violations.require(is_name, "affinity.header", "must be the name of a header, of at most 100 characters");
    let is_secret = SECRET_HEADERS.contains(&header.as_str());
    violations.require(!is_secret, "affinity.header", "must not be a header that carries credentials");
}

fn check_cache(violations: &mut Violations, cache: &ResponseCache) {
    let ResponseCache { ttl_seconds, max_entry_bytes, scope: _ } = cache;
    let lasts = (1..=LONGEST_TTL_SECONDS).contains(ttl_seconds);
    violations.require(lasts, "response_cache.ttl_seconds", "must be 1 to 86400");
    let fits = max_entry_bytes.is_none_or(|bytes| (1..=LARGEST_ENTRY_BYTES).contains(&bytes));
    violations.require(fits, "response_cache.max_entry_bytes", "must be 1 to 16777216");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::patch;

    fn service(overlay: Value) -> ServiceSpec {
        let pool = "0190a5b8-0000-7000-8000-000000000000";
        let base: ServiceSpec = patch::from_value(json!({
            "name": "chat", "slug": "chat", "routes": [{"models": ["gpt-*"], "targets": [{"pool_id": pool}]}]
        }))
        .unwrap();
        let Value::Object(fields) = overlay else { panic!("not an object") };
        patch::Patch(fields).apply(&base).unwrap()
    }

    fn refused(overlay: Value) -> Vec<String> {
        let refusal = service(overlay).validated().err();
        refusal.map(|invalid| invalid.0.into_iter().map(|error| error.field).collect()).unwrap_or_default()
    }

    #[test]
    fn smallest_service_is_valid() {
        assert!(refused(json!({})).is_empty());
    }

    #[test]
    fn routes_without_models_targets_or_weight_are_named() {
        let pool = "0190a5b8-0000-7000-8000-000000000000";
        assert_eq!(refused(json!({"routes": []})), ["routes"]);
        assert_eq!(refused(json!({"routes": [{"models": [], "targets": [{"pool_id": pool}]}]})), ["routes[0].models"]);
        assert_eq!(refused(json!({"routes": [{"models": ["a"], "targets": []}]})), ["routes[0].targets"]);
        let zero = json!({"pool_id": pool, "weight": 0});
        assert_eq!(refused(json!({"routes": [{"models": ["a"], "targets": [zero, zero]}]})), ["routes[0].targets"]);
        let bad = json!({"routes": [{"models": ["a", ""], "targets": [{"pool_id": pool}, {"pool_id": pool, "model": "x*"}]}]});
        assert_eq!(refused(bad), ["routes[0].models[1]", "routes[0].targets[1].model"]);
    }

    #[test]
    fn conditions_for_another_target_stand_there_once() {
        let with = |conditions: Value| {
            let target = json!({"pool_id": "0190a5b8-0000-7000-8000-000000000000"});
            refused(json!({"routes": [{"models": ["a"], "targets": [target], "fallback_on": conditions}]}))
        };
        assert!(with(Value::Null).is_empty());
        assert!(with(json!([])).is_empty());
        let all = [
            "rate_limited",
            "overloaded",
            "server_error",
            "timeout",
            "credentials_refused",
            "context_window",
            "content_policy",
        ];
        assert!(with(json!(all)).is_empty());
        let twice = with(json!(["timeout", "overloaded", "timeout", "timeout"]));
        assert_eq!(twice, ["routes[0].fallback_on[2]", "routes[0].fallback_on[3]"]);
    }

    #[test]
    fn default_limit_on_output_is_at_least_one_token() {
        let with = |tokens: u32| {
            let pool = "0190a5b8-0000-7000-8000-000000000000";
            let target = json!({"pool_id": pool, "default_max_tokens": tokens});
            refused(json!({"routes": [{"models": ["a"], "targets": [{"pool_id": pool}, target]}]}))
        };
        assert_eq!(with(0), ["routes[0].targets[1].default_max_tokens"]);
        assert!(with(1).is_empty());
        assert!(with(u32::MAX).is_empty());
    }

    #[test]
    fn affinity_names_its_sources_once_and_no_credential() {
        let with = |affinity: Value| refused(json!({"affinity": affinity}));
        assert!(with(json!({"by": ["prompt_cache_key", "metadata.user_id", "header"]})).is_empty());
        assert!(with(json!({"by": ["header"], "header": "X-Conversation"})).is_empty());
        assert_eq!(with(json!({"by": []})), ["affinity.by"]);
        assert_eq!(with(json!({"by": ["header", "header"]})), ["affinity.by[1]"]);
        assert_eq!(with(json!({"by": ["header"], "header": "no header"})), ["affinity.header"]);
        assert_eq!(with(json!({"by": ["header"], "header": "Authorization"})), ["affinity.header"]);
        let normal = service(json!({"affinity": {"by": ["header"], "header": "X-Conversation"}})).validated().unwrap();
        assert_eq!(normal.affinity.unwrap().header, "x-conversation");
    }

    #[test]
    fn what_is_kept_of_answers_has_bounds() {
        for (cache, fields) in [
            (json!(null), &[][..]),
            (json!({"ttl_seconds": 1}), &[]),
            (json!({"ttl_seconds": 86_400, "max_entry_bytes": 16_777_216, "scope": "service"}), &[]),
            (json!({"ttl_seconds": 0}), &["response_cache.ttl_seconds"]),
            (
                json!({"ttl_seconds": 86_401, "max_entry_bytes": 0}),
                &["response_cache.ttl_seconds", "response_cache.max_entry_bytes"],
            ),
            (json!({"ttl_seconds": 60, "max_entry_bytes": 16_777_217}), &["response_cache.max_entry_bytes"]),
        ] {
            assert_eq!(refused(json!({"response_cache": cache})), fields, "{cache}");
        }
        let kept = service(json!({"response_cache": {"ttl_seconds": 60}})).response_cache.unwrap();
        assert_eq!(kept.scope, super::super::CacheScope::AccessKey);
    }

    #[test]
    fn slugs_are_words_joined_with_hyphens() {
        for slug in ["", "Chat", "a b", "-a", "a-", "a--b", "ä", &"a".repeat(64)] {
            assert_eq!(refused(json!({"slug": slug})), ["slug"], "{slug}");
        }
        for slug in ["a", "chat-2", "0"] {
            assert!(refused(json!({"slug": slug})).is_empty(), "{slug}");
        }
    }

    #[test]
    fn numbers_networks_and_headers_are_checked() {
        assert_eq!(refused(json!({"retry": {"max_attempts": 0}})), ["retry.max_attempts"]);
        assert_eq!(refused(json!({"limits": {"rpm": 0}})), ["limits.rpm"]);
        assert_eq!(refused(json!({"timeouts": {"idle_ms": 0}})), ["timeouts.idle_ms"]);
        assert_eq!(refused(json!({"security": {"ip_deny": ["x"]}})), ["security.ip_deny[0]"]);
        assert_eq!(refused(json!({"hidden_headers": ["X-Tollgate-Cost", "content-type"]})), ["hidden_headers[1]"]);
        let budget = json!({"amount": "0", "currency": "usd", "period": "day"});
        assert_eq!(refused(json!({"budget": budget})), ["budget.amount", "budget.currency"]);
    }
}
