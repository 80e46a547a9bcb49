//! The headers that the real providers send, the ones that must not leak to a caller included.

use super::plan::Protocol;
use super::template::{ID, rfc3339, unix_now};

const OPENAI: &[(&str, &str)] = &[
    ("openai-organization", "org-simulated-account"),
    ("openai-processing-ms", "123"),
    ("openai-project", "proj_simulatedAccount"),
    ("openai-version", "2020-10-01"),
    ("x-envoy-upstream-service-time", "131"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "2000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "1999743"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "7ms"),
    ("cf-cache-status", "DYNAMIC"),
    ("server", "cloudflare"),
    ("x-content-type-options", "nosniff"),
];

const ANTHROPIC: &[(&str, &str)] = &[
    ("anthropic-organization-id", "5imu1ate-dacc-0000-0000-000000000000"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2026-11-23T00:00:01Z"),
    ("anthropic-ratelimit-input-tokens-limit", "400000"),
    ("anthropic-ratelimit-input-tokens-remaining", "399000"),
    ("anthropic-ratelimit-input-tokens-reset", "2026-11-23T00:00:01Z"),
    ("anthropic-ratelimit-output-tokens-limit", "80000"),
    ("anthropic-ratelimit-output-tokens-remaining", "79000"),
    ("anthropic-ratelimit-output-tokens-reset", "2026-11-23T00:00:01Z"),
    ("via", "1.1 google"),
    ("cf-cache-status", "DYNAMIC"),
    ("x-robots-tag", "none"),
    ("server", "cloudflare"),
];

const GEMINI: &[(&str, &str)] = &[
    ("vary", "Origin"),
    ("vary", "X-Origin"),
    ("vary", "Referer"),
    ("server", "scaffolding on HTTPServer2"),
    ("x-xss-protection", "0"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-content-type-options", "nosniff"),
    ("server-timing", "gfet4t7; dur=211"),
    ("alt-svc", "h3=\":443\"; ma=2592000,h3-29=\":443\"; ma=2592000"),
];

/// In place of the usual ones: nothing is left until then, of the tokens that are counted first.
pub(crate) fn nothing_left(protocol: Protocol, seconds: u8) -> Vec<(&'static str, String)> {
    match protocol {
        Protocol::OpenAi => {
            vec![("x-ratelimit-remaining-tokens", "0".to_owned()), ("x-ratelimit-reset-tokens", format!("{seconds}s"))]
        }
        Protocol::Anthropic => vec![
            ("anthropic-ratelimit-input-tokens-remaining", "0".to_owned()),
            ("anthropic-ratelimit-input-tokens-reset", rfc3339(unix_now() + u64::from(seconds))),
        ],
        Protocol::Gemini => Vec::new(),
    }
}

/// Names and values; values may have holes.
pub(crate) fn of(protocol: Protocol) -> Vec<(&'static str, String)> {
    let (fixed, request_id) = match protocol {
        Protocol::OpenAi => (OPENAI, Some("x-request-id")),
        Protocol::Anthropic => (ANTHROPIC, Some("request-id")),
        Protocol::Gemini => (GEMINI, None),
    };
    let mut headers: Vec<_> = fixed.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    if let Some(request_id) = request_id {
        let cookie = format!(
            "__cf_bm={ID}-1-1.0.1.1-simulated; path=/; domain=.example.invalid; HttpOnly; Secure; SameSite=None"
        );
        headers.push((request_id, format!("req_{ID}")));
        headers.push(("set-cookie", cookie));
        headers.push(("cf-ray", format!("{ID}-FRA")));
    }
    headers
}
