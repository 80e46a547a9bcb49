use super::*;

const DOCUMENT: &str = include_str!("../../../../docs/api/headers.md");

#[test]
fn what_says_who_the_caller_is_does_not_go_upstream() {
    for protocol in Protocol::ALL {
        for name in [
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "cookie",
            "forwarded",
            "x-forwarded-for",
            "x-real-ip",
            "via",
            "origin",
            "referer",
            "sec-fetch-mode",
            "sec-ch-ua",
            "accept-language",
            "accept-encoding",
            "user-agent",
            "x-stainless-lang",
            "x-stainless-retry-count",
            "x-goog-api-client",
            "openai-organization",
            "openai-project",
            "traceparent",
            "baggage",
            "x-request-id",
            "x-client-request-id",
            "host",
            "content-length",
            "connection",
            "transfer-encoding",
            "te",
            "anthropic-dangerous-direct-browser-access",
            "expect",
            "signature",
            "",
        ] {
            assert!(!request_allowed(protocol, name), "{protocol} {name}");
        }
    }
}

#[test]
fn what_says_whose_account_it_was_does_not_come_back() {
    for protocol in Protocol::ALL {
        for name in [
            "set-cookie",
            "openai-organization",
            "openai-project",
            "anthropic-organization-id",
            "server",
            "via",
            "alt-svc",
            "cf-ray",
            "cf-cache-status",
            "x-ratelimit-limit-requests",
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-requests-limit",
            "x-request-id",
            "strict-transport-security",
            "www-authenticate",
            "location",
            "content-length",
            "transfer-encoding",
            "connection",
            "server-timing",
            "x-envoy-upstream-service-time",
            "",
        ] {
            assert!(!response_allowed(protocol, name), "{protocol} {name}");
        }
    }
}

#[test]
fn what_the_protocols_need_crosses_in_any_case() {
    assert!(request_allowed(Protocol::OpenAi, "Content-Type") && request_allowed(Protocol::Gemini, "accept"));
    assert!(
        request_allowed(Protocol::Anthropic, "Anthropic-Beta")
            && request_allowed(Protocol::Anthropic, "anthropic-version")
    );
    assert!(request_allowed(Protocol::OpenAi, "OpenAI-Beta") && request_allowed(Protocol::OpenAi, "idempotency-key"));
    assert!(
        response_allowed(Protocol::OpenAi, "Retry-After-Ms")
            && response_allowed(Protocol::OpenAi, "openai-processing-ms")
    );
    assert!(response_allowed(Protocol::Anthropic, "request-id") && response_allowed(Protocol::Gemini, "content-type"));
    // Another protocol's headers are nobody's business.
    assert!(!request_allowed(Protocol::OpenAi, "anthropic-beta") && !response_allowed(Protocol::Gemini, "request-id"));
}

#[test]
fn lists_are_in_the_order_in_which_they_are_searched() {
    for protocol in Protocol::ALL {
        for list in
            [REQUEST, RESPONSE, protocol.dialect().headers(Side::Request), protocol.dialect().headers(Side::Response)]
        {
            assert!(list.is_sorted_by_key(|name| name.len()), "{list:?}");
            assert!(list.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_uppercase())), "{list:?}");
        }
        for name in request_names(protocol) {
            assert!(request_allowed(protocol, name), "{name}");
        }
        for name in response_names(protocol) {
            assert!(response_allowed(protocol, name), "{name}");
        }
    }
}

#[test]
fn the_document_names_every_header_that_crosses() {
    for protocol in Protocol::ALL {
        for name in request_names(protocol).chain(response_names(protocol)) {
            assert!(DOCUMENT.contains(&format!("| `{name}` |")), "{name} is not in docs/api/headers.md");
        }
    }
}
