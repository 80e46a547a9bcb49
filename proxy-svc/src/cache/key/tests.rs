use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::snapshot::Fingerprint;

/// A key that a number tells from others.
pub(in crate::cache) fn numbered(number: u8) -> EntryKey {
    EntryKey([number; 32])
}

fn cache_key(pepper: u8) -> CacheKey {
    CacheKey::derive(&Pepper::new(&[pepper; 32]))
}

/// Everything that a key is made of, owned.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    service: u128,
    access_key: Option<u128>,
    protocol: Protocol,
    operation: Operation,
    path: String,
    query: String,
    stream: bool,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Asked {
    fn key(&self) -> EntryKey {
        cache_key(1).of(&Question {
            service: ServiceId::from_uuid(Uuid::from_u128(self.service)),
            access_key: self.access_key.map(|id| AccessKeyId::from_uuid(Uuid::from_u128(id))),
            route: &Fingerprint::of(&[]),
            protocol: self.protocol,
            operation: self.operation,
            path: &self.path,
            query: &self.query,
            stream: self.stream,
            headers: &self.headers,
            body: &self.body,
        })
    }
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![Just("accept"), Just("content-type"), Just("anthropic-beta"), Just("anthropic-version")];
    proptest::collection::vec((name, "[ab]{0,2}"), 0..4).prop_map(|values| {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        headers
    })
}

/// Few values each, so that two are often the same but for one part, and parts that run into each other.
fn asked() -> impl Strategy<Value = Asked> {
    let caller = (0_u128..2, proptest::option::of(0_u128..2));
    let operation = prop_oneof![Just(Operation::Messages), Just(Operation::ChatCompletions)];
    let protocol = prop_oneof![Just(Protocol::Anthropic), Just(Protocol::OpenAi)];
    let target = ("[ab]{0,3}", "[ab]{0,3}", any::<bool>());
    let body = proptest::collection::vec(0_u8..2, 0..4);
    (caller, protocol, operation, target, headers(), body).prop_map(
        |((service, access_key), protocol, operation, (path, query, stream), headers, body)| {
            // What does not go to an upstream of the protocol decides nothing.
            let keep = |name: &HeaderName| headers::request_allowed(protocol, name.as_str());
            let headers =
                headers.iter().filter(|(name, _)| keep(name)).fold(HeaderMap::new(), |mut kept, (name, value)| {
                    kept.append(name.clone(), value.clone());
                    kept
                });
            Asked { service, access_key, protocol, operation, path, query, stream, headers, body }
        },
    )
}

proptest! {
    #[test]
    fn only_the_same_question_of_the_same_caller_has_the_same_key(one in asked(), other in asked()) {
        prop_assert_eq!(one.key() == other.key(), one == other);
    }

    #[test]
    fn another_tenant_never_has_the_same_key(question in asked(), service in 2_u128.., access_key in 2_u128..) {
        let elsewhere = Asked { service, ..question.clone() };
        let by_another = Asked { access_key: Some(access_key), ..question.clone() };
        prop_assert!(question.key() != elsewhere.key());
        prop_assert!(question.key() != by_another.key());
    }
}

fn asked_with(headers: &[(&'static str, &'static str)]) -> EntryKey {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Asked {
        service: 1,
        access_key: None,
        protocol: Protocol::Anthropic,
        operation: Operation::Messages,
        path: "/v1/messages".into(),
        query: String::new(),
        stream: false,
        headers: map,
        body: b"{}".to_vec(),
    }
    .key()
}

#[test]
fn headers_count_when_they_change_the_answer() {
    let plain = asked_with(&[]);
    for same in ["idempotency-key", "user-agent", "x-api-key", "cache-control", "x-stainless-retry-count"] {
        assert_eq!(asked_with(&[(same, "x")]), plain, "{same}");
    }
    for other in ["anthropic-version", "anthropic-beta", "accept", "content-type"] {
        assert_ne!(asked_with(&[(other, "x")]), plain, "{other}");
    }
    assert_ne!(
        asked_with(&[("anthropic-beta", "a"), ("anthropic-beta", "b")]),
        asked_with(&[("anthropic-beta", "ab")])
    );
}

#[test]
fn keys_of_another_control_plane_differ() {
    let fingerprint = Fingerprint::of(&[]);
    let headers = HeaderMap::new();
    let question = Question {
        service: ServiceId::generate(),
        access_key: None,
        route: &fingerprint,
        protocol: Protocol::OpenAi,
        operation: Operation::Embeddings,
        path: "",
        query: "",
        stream: false,
        headers: &headers,
        body: b"",
    };
    assert_eq!(cache_key(1).of(&question), cache_key(1).of(&question));
    assert_ne!(cache_key(1).of(&question), cache_key(2).of(&question));
}
