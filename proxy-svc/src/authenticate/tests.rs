use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tollgate_dialect::error::ErrorKind;
use tollgate_shared::access_token::{AUDIENCE, ISSUER};

use super::*;
use crate::snapshot::fixture;

const NOW: UnixMicros = 1_700_000_000_000_000;
const SECONDS: i64 = NOW / 1_000_000;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn token_keys() -> [(&'static str, Vec<u8>); 2] {
    [("a", 1), ("b", 2)].map(|(id, seed)| (id, pair(seed).public_key().as_ref().to_vec()))
}

/// Knows access key 1, and the token keys `a` and `b`.
fn snapshot() -> Snapshot {
    fixture::snapshot_with_token_keys(&token_keys())
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": fixture::uuid(1), "iat": SECONDS, "nbf": SECONDS,
        "exp": SECONDS + 600, "jti": "1"})
}

fn token_of(header: &Value, claims: &Value, seed: u8) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair(seed).sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    token_of(&json!({"alg": "EdDSA", "kid": "a", "typ": "JWT"}), claims, 1)
}

fn checked(verified: &VerifiedTokens) -> Tokens<'_> {
    Tokens { verified, may_verify: &|| Ok(()) }
}

fn bearer_of(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

fn refusal(snapshot: &Snapshot, token: &str, now: UnixMicros) -> Option<ErrorKind> {
    let tokens = VerifiedTokens::default();
    // Twice: what is remembered is no different.
    let mut found = [(); 2].map(|()| {
        authenticate(snapshot, checked(&tokens), &bearer_of(token), None, now)
            .map(|_| ())
            .err()
            .map(|refusal| refusal.kind)
    });
    assert_eq!(found[0], found[1], "{token}");
    found[0].take()
}

#[test]
fn token_stands_for_its_access_key_in_every_place() {
    let (snapshot, tokens, token) = (snapshot(), VerifiedTokens::default(), token(&claims()));
    let mut places: Vec<(HeaderMap, Option<String>)> = vec![(bearer_of(&token), None)];
    for name in ["x-api-key", "x-goog-api-key"] {
        places.push((HeaderMap::from_iter([(name.parse().unwrap(), token.parse().unwrap())]), None));
    }
    places.push((HeaderMap::new(), Some(format!("alt=sse&key={token}"))));
    for (headers, query) in &places {
        let authenticated = authenticate(&snapshot, checked(&tokens), headers, query.as_deref(), NOW).unwrap();
        assert_eq!(authenticated.principal.key.id.to_string(), fixture::uuid(1));
        assert_eq!(authenticated.presented, token);
        assert!(authenticated.principal.permits_model("any"));
    }
}

#[test]
fn token_is_accepted_within_its_time() {
    let (snapshot, token) = (snapshot(), token(&claims()));
    assert_eq!(refusal(&snapshot, &token, NOW - 10_000_000), None);
    assert_eq!(refusal(&snapshot, &token, NOW - 10_000_001), Some(ErrorKind::InvalidCredential));
    assert_eq!(refusal(&snapshot, &token, NOW + 609_999_999), None);
    assert_eq!(refusal(&snapshot, &token, NOW + 610_000_000), Some(ErrorKind::ExpiredCredential));
}

#[test]
fn only_tokens_of_the_control_plane_are_accepted() {
    let snapshot = snapshot();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    for (case, token) in [
        ("another issuer", token(&with("iss", json!("elsewhere")))),
        ("the console's audience", token(&with("aud", json!("tollgate-api")))),
        ("several audiences", token(&with("aud", json!([AUDIENCE])))),
        ("no expiry", token(&with("exp", Value::Null))),
        ("an expiry out of range", token(&with("exp", json!(i64::MAX - 20)))),
        ("a scope that is none", token(&with("models", json!([""])))),
        ("another signer", token_of(&header("EdDSA", "a"), &claims(), 3)),
        ("another signer that is known", token_of(&header("EdDSA", "b"), &claims(), 1)),
        ("an unknown key", token_of(&header("EdDSA", "c"), &claims(), 1)),
        ("no algorithm", token_of(&header("none", "a"), &claims(), 1)),
        ("another algorithm", token_of(&header("HS256", "a"), &claims(), 1)),
        ("a demand", token_of(&json!({"alg": "EdDSA", "kid": "a", "crit": ["exp"]}), &claims(), 1)),
        ("no signature", format!("{}.AA", token(&claims()).rsplit_once('.').unwrap().0)),
        ("no token at all", "eyJ.eyJ.eyJ".to_owned()),
    ] {
        assert_eq!(refusal(&snapshot, &token, NOW), Some(ErrorKind::InvalidCredential), "{case}");
    }
    assert_eq!(refusal(&snapshot, &token_of(&header("EdDSA", "b"), &claims(), 2), NOW), None);
}

#[test]
fn token_of_a_key_that_is_gone_is_refused() {
    let mut claims = claims();
    claims["sub"] = json!(fixture::uuid(9));
    assert_eq!(refusal(&snapshot(), &token(&claims), NOW), Some(ErrorKind::RevokedCredential));
}

#[test]
fn key_of_a_disabled_user_is_refused_and_its_tokens_are() {
    let (tokens, token) = (VerifiedTokens::default(), token(&claims()));
    let disabled = fixture::snapshot_with_a_disabled_user(&token_keys());
    let kind = |snapshot: &Snapshot| {
        let by_token = authenticate(snapshot, checked(&tokens), &bearer_of(&token), None, NOW).map(|_| ()).err();
        let key = snapshot.access_key_by_id(fixture::uuid(1).parse().unwrap()).unwrap();
        let by_key = in_force(key, NOW).err();
        assert_eq!(by_token.as_ref().map(|refusal| refusal.kind), by_key.map(|refusal| refusal.kind));
        by_token.map(|refusal| refusal.kind)
    };
    assert_eq!(kind(&snapshot()), None);
    assert_eq!(kind(&disabled), Some(ErrorKind::RevokedCredential), "also a token that is remembered");
    assert_eq!(kind(&snapshot()), None);
}

#[test]
fn remembered_token_ends_with_the_key_that_signed_it() {
    let (tokens, token) = (VerifiedTokens::default(), token(&claims()));
    let accepted =
        |snapshot: &Snapshot| authenticate(snapshot, checked(&tokens), &bearer_of(&token), None, NOW).is_ok();
    assert!(accepted(&snapshot()));
    assert!(!accepted(&fixture::snapshot_with_token_keys(&[])));
    let replaced = [("a", pair(5).public_key().as_ref().to_vec())];
    assert!(!accepted(&fixture::snapshot_with_token_keys(&replaced)));
    assert!(accepted(&snapshot()));
}

#[test]
fn token_that_may_not_be_verified_now_is_turned_away_and_a_remembered_one_is_not() {
    let (snapshot, tokens, token) = (snapshot(), VerifiedTokens::default(), token(&claims()));
    let refuse = || Err(Refusal::access_token_unverified(std::time::Duration::from_millis(1)));
    let unchecked = Tokens { verified: &tokens, may_verify: &refuse };
    let refusal = authenticate(&snapshot, unchecked, &bearer_of(&token), None, NOW).map(|_| ()).unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::RateLimited);
    // What is no token of ours is said to be none: no signature had to be looked at.
    for foreign in [json!({"alg": "EdDSA", "kid": "unknown"}), json!({"alg": "none", "kid": "a"})] {
        let foreign = token_of(&foreign, &claims(), 1);
        let refusal = authenticate(&snapshot, unchecked, &bearer_of(&foreign), None, NOW).map(|_| ()).unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::InvalidCredential);
    }
    authenticate(&snapshot, checked(&tokens), &bearer_of(&token), None, NOW).unwrap();
    authenticate(&snapshot, unchecked, &bearer_of(&token), None, NOW).unwrap();
}

#[test]
fn scope_narrows_the_models() {
    let mut claims = claims();
    claims["models"] = json!(["gpt-4*"]);
    let (snapshot, tokens, token) = (snapshot(), VerifiedTokens::default(), token(&claims));
    let headers = bearer_of(&token);
    let principal = authenticate(&snapshot, checked(&tokens), &headers, None, NOW).unwrap().principal;
    assert!(principal.permits_model("gpt-4.1") && !principal.permits_model("gpt-5"));
    assert!(principal.is_limited_to_models());
}
