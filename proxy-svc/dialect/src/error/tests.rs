use serde_json::{Value, json};

use super::*;
use crate::Protocol::{Anthropic, Gemini, OpenAi};
use crate::endpoint::Operation;

fn body(kind: ErrorKind) -> ErrorBody<'static> {
    ErrorBody {
        kind,
        message: "it \"failed\"\n",
        param: Some("model"),
        request_id: "req-1",
        retry_after_ms: Some(34_400),
    }
}

fn rendered(protocol: Protocol, kind: ErrorKind) -> (u16, Value) {
    let (status, content_type, bytes) = render(protocol, &body(kind));
    assert_eq!(content_type, "application/json");
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn openai_errors_have_their_four_members() {
    assert_eq!(
        rendered(OpenAi, ErrorKind::ModelNotFound),
        (
            404,
            json!({"error": {"message": "it \"failed\"\n", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}})
        )
    );
    let error = ErrorBody { param: None, ..body(ErrorKind::RateLimited) };
    let value: Value = serde_json::from_slice(&render(OpenAi, &error).2).unwrap();
    assert_eq!(value["error"].as_object().unwrap().len(), 4);
    assert_eq!(value["error"]["param"], Value::Null);
}

#[test]
fn anthropic_errors_have_their_type_and_request() {
    assert_eq!(
        rendered(Anthropic, ErrorKind::Overloaded),
        (
            529,
            json!({"type": "error", "request_id": "req-1", "error": {"type": "overloaded_error", "message": "it \"failed\"\n", "details": {"error_code": "overloaded"}}})
        )
    );
}

#[test]
fn gemini_errors_have_a_number_for_their_code_and_say_how_long_to_wait() {
    assert_eq!(
        rendered(Gemini, ErrorKind::RateLimited),
        (
            429,
            json!({"error": {"code": 429, "message": "it \"failed\"\n", "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "tollgate"},
                {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req-1"},
                {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "model", "description": "it \"failed\"\n"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.400s"},
            ]}})
        )
    );
}

#[test]
fn every_kind_has_its_status_in_every_protocol() {
    use ErrorKind as K;
    for (kind, statuses) in [
        (K::InvalidRequest, [400, 400, 400]),
        (K::MalformedBody, [400, 400, 400]),
        (K::MissingCredential, [401, 401, 401]),
        (K::InvalidCredential, [401, 401, 401]),
        (K::ExpiredCredential, [401, 401, 401]),
        (K::RevokedCredential, [401, 401, 401]),
        (K::SignatureMissing, [401, 401, 401]),
        (K::SignatureUnsupported, [401, 401, 401]),
        (K::SignatureMismatch, [401, 401, 401]),
        (K::DigestMismatch, [401, 401, 401]),
        (K::SignatureNotCurrent, [401, 401, 401]),
        (K::SignatureExpired, [401, 401, 401]),
        (K::NonceReused, [401, 401, 401]),
        (K::PermissionDenied, [403, 403, 403]),
        (K::PriceMissing, [403, 403, 403]),
        (K::NotFound, [404, 404, 404]),
        (K::ModelNotFound, [404, 404, 404]),
        (K::UpstreamKeyGone, [404, 404, 404]),
        (K::MethodNotAllowed, [405, 405, 405]),
        (K::RequestTimeout, [408, 408, 408]),
        (K::RequestTooLarge, [413, 413, 413]),
        (K::UnsupportedMediaType, [415, 415, 415]),
        (K::HeaderFieldsTooLarge, [431, 431, 431]),
        (K::TargetTooLong, [414, 414, 414]),
        (K::TransferCodingUnsupported, [501, 501, 501]),
        (K::VersionUnsupported, [505, 505, 505]),
        (K::RateLimited, [429, 429, 429]),
        (K::InsufficientQuota, [429, 402, 429]),
        (K::Overloaded, [503, 529, 503]),
        (K::UpstreamUnavailable, [502, 502, 502]),
        (K::UpstreamCredentialsExhausted, [502, 502, 502]),
        (K::UpstreamTimeout, [504, 504, 504]),
        (K::Internal, [500, 500, 500]),
    ] {
        assert!(K::ALL.contains(&kind));
        for (protocol, status) in [OpenAi, Anthropic, Gemini].into_iter().zip(statuses) {
            let (rendered, value) = rendered(protocol, kind);
            assert_eq!(rendered, status, "{protocol} {kind:?}");
            assert!(value["error"]["message"].is_string(), "{protocol} {kind:?}");
            if protocol == Gemini {
                assert_eq!(value["error"]["code"], json!(status), "{kind:?}");
            }
        }
    }
    let codes: std::collections::HashSet<_> = K::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes.len(), K::ALL.len());
}

#[test]
fn a_spent_budget_is_named_as_each_protocol_names_it() {
    assert_eq!(rendered(OpenAi, ErrorKind::InsufficientQuota).1["error"]["code"], "insufficient_quota");
    assert_eq!(rendered(Anthropic, ErrorKind::InsufficientQuota).1["error"]["type"], "billing_error");
    assert_eq!(rendered(Gemini, ErrorKind::InsufficientQuota).1["error"]["status"], "RESOURCE_EXHAUSTED");
    assert!(!ErrorKind::InsufficientQuota.retry_helps() && ErrorKind::RateLimited.retry_helps());
    assert!(!ErrorKind::UpstreamCredentialsExhausted.retry_helps());
}

fn streamed(framing: Framing, after_whole_event: bool) -> String {
    String::from_utf8(stream_event(framing, &body(ErrorKind::Overloaded), after_whole_event, 0)).unwrap()
}

#[test]
fn an_error_in_a_stream_is_one_whole_event() {
    for (framing, start) in [
        (Framing::of(OpenAi, Operation::ChatCompletions, true), "data: {\"error\":"),
        (Framing::of(OpenAi, Operation::Responses, true), "event: error\ndata: {\"type\":\"error\""),
        (Framing::of(Anthropic, Operation::Messages, true), "event: error\ndata: {\"type\":\"error\""),
        (Framing::of(Gemini, Operation::StreamGenerateContent, true), "{\"error\":"),
    ] {
        let event = streamed(framing, true);
        assert!(event.starts_with(start) && event.ends_with("}\n\n"), "{event}");
        assert_eq!(event.matches("\n\n").count(), 1, "{event}");
        assert_eq!(streamed(framing, false), format!("\n\n{event}"));
        let json = event.trim_end().rsplit('\n').next().unwrap().trim_start_matches("data: ");
        let value: Value = serde_json::from_str(json).unwrap();
        assert!(value["error"]["message"].is_string(), "{event}");
    }
}

#[test]
fn an_error_in_an_array_is_its_last_element() {
    let array = format!(
        "[{{\"candidates\":[]}}{}",
        streamed(Framing::of(Gemini, Operation::StreamGenerateContent, false), true)
    );
    let value: Value = serde_json::from_str(&array).unwrap();
    assert_eq!(value[1]["error"]["code"], 503);
    let framing = Framing::of(Gemini, Operation::StreamGenerateContent, false);
    let value: Value = serde_json::from_str(&streamed(framing.at_start(), true)).unwrap();
    assert_eq!(value[0]["error"]["code"], 503);
    let framing = Framing::of(Anthropic, Operation::Messages, true);
    assert_eq!(framing.at_start(), framing);
}

#[test]
fn what_is_sent_in_a_stream_is_what_the_tap_reads_as_an_error() {
    for (protocol, operation, events) in [
        (OpenAi, Operation::ChatCompletions, true),
        (OpenAi, Operation::Responses, true),
        (Anthropic, Operation::Messages, true),
        (Gemini, Operation::StreamGenerateContent, true),
        (Gemini, Operation::StreamGenerateContent, false),
    ] {
        let event = stream_event(Framing::of(protocol, operation, events), &body(ErrorKind::Overloaded), true, 1);
        let content_type = if events { "text/event-stream" } else { "application/json" };
        let mut tap = crate::usage::Tap::for_answer(protocol, operation, Some(content_type));
        if events {
            tap.feed(b": begun\n\n");
        } else {
            tap.feed(b"[{\"candidates\":[]}");
        }
        tap.feed(&event);
        assert_eq!(tap.finish().error.unwrap().message, "it \"failed\"\n", "{protocol} {events}");
    }
}
