use super::*;
use crate::Protocol::{Anthropic, Gemini, OpenAi};

fn class(protocol: Protocol, status: u16, headers: &[(&str, &str)], body: &str) -> Class {
    let lookup = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    response(protocol, status, &lookup, Some(body.as_bytes()))
}

const GEMINI_LIMIT: &str = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
    {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
    {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}"#;

#[test]
fn statuses_have_their_class() {
    for protocol in Protocol::ALL {
        for (status, expected) in [
            (200, Class::Ok),
            (204, Class::Ok),
            (400, Class::ClientError),
            (401, Class::CredentialsRefused),
            (402, Class::CredentialsRefused),
            (403, Class::CredentialsRefused),
            (404, Class::ClientError),
            (408, Class::TimedOut),
            (409, Class::ClientError),
            (413, Class::ClientError),
            (422, Class::ClientError),
            (429, Class::RateLimited { retry_after_ms: None, quota: Quota::Window }),
            (500, Class::ServerError { retry_after_ms: None }),
            (502, Class::ServerError { retry_after_ms: None }),
            (503, Class::Overloaded { retry_after_ms: None }),
            (529, Class::Overloaded { retry_after_ms: None }),
            (302, Class::ServerError { retry_after_ms: None }),
            (100, Class::ServerError { retry_after_ms: None }),
        ] {
            assert_eq!(class(protocol, status, &[], "{}"), expected, "{protocol} {status}");
            assert_eq!(response(protocol, status, &|_| None, None), expected, "{protocol} {status}");
        }
    }
}

#[test]
fn a_refused_key_is_known_where_it_looks_like_the_clients_fault() {
    let invalid = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
    assert_eq!(class(Gemini, 400, &[], invalid), Class::CredentialsRefused);
    assert_eq!(class(Gemini, 400, &[], &format!("[{invalid}]")), Class::CredentialsRefused);
    let quoted = r#"{"error":{"code":400,"message":"API_KEY_INVALID","details":[{"reason":"OTHER"}]}}"#;
    assert_eq!(class(Gemini, 400, &[], quoted), Class::ClientError);
    let invalid = r#"{"error":{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    assert_eq!(class(OpenAi, 400, &[], invalid), Class::CredentialsRefused);
    let poor = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#;
    assert_eq!(class(Anthropic, 400, &[], poor), Class::CredentialsRefused);
}

#[test]
fn a_spent_quota_is_no_rate_limit() {
    let spent = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    assert_eq!(
        class(OpenAi, 429, &[("retry-after", "7")], spent),
        Class::RateLimited { retry_after_ms: Some(7000), quota: Quota::Spent }
    );
    let spent = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    assert_eq!(class(Anthropic, 429, &[], spent), Class::RateLimited { retry_after_ms: None, quota: Quota::Spent });
    for status in [400, 429] {
        let hard = r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}"#;
        let spent = Class::RateLimited { retry_after_ms: None, quota: Quota::Spent };
        assert_eq!(class(OpenAi, status, &[], hard), spent);
    }
    for words in ["Your prepayment credits are depleted.", "Your project has exceeded its monthly spending cap."] {
        let body = GEMINI_LIMIT.replace(r#""message":"m""#, &format!(r#""message":"{words}""#));
        let spent = Class::RateLimited { retry_after_ms: Some(34_400), quota: Quota::Spent };
        assert_eq!(class(Gemini, 429, &[], &body), spent);
    }
    let daily = GEMINI_LIMIT.replace("PerMinute", "PerDay");
    assert_eq!(class(Gemini, 429, &[], &daily), Class::RateLimited { retry_after_ms: Some(34_400), quota: Quota::Day });
}

#[test]
fn the_wait_is_read_from_wherever_it_is_told() {
    let wait = |protocol, headers: &[(&str, &str)], body: &str| match class(protocol, 429, headers, body) {
        Class::RateLimited { retry_after_ms, .. } => retry_after_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(OpenAi, &[("retry-after-ms", "250.5"), ("retry-after", "9")], "{}"), Some(251));
    assert_eq!(wait(OpenAi, &[("retry-after", " 1.5 ")], "{}"), Some(1500));
    let dates = [("retry-after", "Mon, 23 Nov 2026 10:20:35 GMT"), ("date", "Mon, 23 Nov 2026 10:20:30 GMT")];
    assert_eq!(wait(OpenAi, &dates, "{}"), Some(5000));
    assert_eq!(wait(OpenAi, &dates[..1], "{}"), None);
    for odd in ["-5", "NaN", "inf", "soon", ""] {
        assert_eq!(wait(OpenAi, &[("retry-after", odd)], "{}"), None, "{odd}");
    }
    let limits = [
        ("x-ratelimit-remaining-requests", "3"),
        ("x-ratelimit-reset-requests", "1h"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    assert_eq!(wait(OpenAi, &limits, "{}"), Some(360_000));
    let limits = [
        ("date", "Mon, 23 Nov 2026 10:20:30 GMT"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-11-23T10:21:00Z"),
        ("anthropic-ratelimit-requests-remaining", "10"),
        ("anthropic-ratelimit-requests-reset", "2026-11-24T10:21:00Z"),
    ];
    assert_eq!(wait(Anthropic, &limits, "{}"), Some(30_000));
    assert_eq!(wait(Gemini, &[], GEMINI_LIMIT), Some(34_400));
    assert_eq!(class(Anthropic, 529, &[("retry-after", "2")], "{}"), Class::Overloaded { retry_after_ms: Some(2000) });
}

#[test]
fn durations_and_dates_are_read() {
    for (text, expected) in [
        ("120ms", Some(120)),
        ("6m0s", Some(360_000)),
        ("1h2m3.5s", Some(3_723_500)),
        ("34.4s", Some(34_400)),
        ("0s", Some(0)),
        ("90us", Some(1)),
        ("", None),
        ("5", None),
        ("s", None),
        ("5d", None),
        ("1.2.3s", None),
    ] {
        assert_eq!(wait::duration_ms(text), expected, "{text}");
    }
    assert_eq!(wait::http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
    assert_eq!(wait::http_date_ms("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(wait::rfc3339_ms("2024-02-29T23:59:59.123Z"), Some(1_709_251_199_000));
    for odd in [
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 40 Nov 1994 08:49:37 GMT",
        "x, 1 Jan 1 1:1:1 GMT",
    ] {
        assert_eq!(wait::http_date_ms(odd), None, "{odd}");
    }
    for odd in ["2026-11-23", "2026-13-23T10:20:30Z", "2026-11-23T25:20:30Z", "2026-11-23T10:20:30+08:00", ""] {
        assert_eq!(wait::rfc3339_ms(odd), None, "{odd}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_an_upstream_says_panics(status: u16, body: Vec<u8>, value in "\\PC{0,20}|[0-9hms.:,TZ -]{0,30}") {
        for protocol in Protocol::ALL {
            let _ = response(protocol, status, &|_| Some(value.as_str()), Some(&body));
            let _ = response(protocol, 429, &|name| Some(if name.contains("remaining") { "0" } else { value.as_str() }), Some(&body));
        }
    }
}
