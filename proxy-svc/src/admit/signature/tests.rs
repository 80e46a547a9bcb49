use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use proptest::prelude::*;
use ring::digest::{SHA256, SHA512, digest};

use super::*;
use crate::authenticate::Principal;

const NOW: UnixMicros = 1_700_000_000_000_000;
const CREATED: i64 = NOW / MICROS_PER_SECOND;
const SECRET: &str = "tg_the-secret";
const COVERED: &str = r#"("@method" "@target-uri" "content-digest")"#;

/// A request as it is about to be sent; signed by [`Draft::signed`].
#[derive(Clone)]
struct Draft {
    method: &'static str,
    target: String,
    host: &'static str,
    scheme: &'static str,
    covered: String,
    parameters: String,
    body: &'static [u8],
    digest: String,
}

impl Default for Draft {
    fn default() -> Self {
        let body = br#"{"model":"gpt"}"#.as_slice();
        Self {
            method: "POST",
            target: "/v1/chat/completions?a=1".to_owned(),
            host: "gw.test:8080",
            scheme: "http",
            covered: COVERED.to_owned(),
            parameters: format!(r#";created={CREATED};keyid="k";nonce="n""#),
            body,
            digest: format!("sha-256=:{}:", BASE64.encode(digest(&SHA256, body))),
        }
    }
}

impl Draft {
    /// Written out apart from the code under test.
    fn base(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for name in self.covered.trim_matches(['(', ')']).split_whitespace() {
            let value = match name.trim_matches('"') {
                "@method" => self.method.to_owned(),
                "@target-uri" => format!("{}://{}{}", self.scheme, self.host, self.target),
                "@authority" => self.host.to_owned(),
                "@path" => self.target.split('?').next().unwrap().to_owned(),
                "@query" => format!("?{}", self.target.split_once('?').map_or("", |(_, query)| query)),
                "@scheme" => self.scheme.to_owned(),
                "@request-target" => self.target.clone(),
                "content-digest" => self.digest.clone(),
                "content-type" => "application/json".to_owned(),
                other => panic!("{other}"),
            };
            lines.push(format!("{name}: {value}"));
        }
        lines.push(format!("\"@signature-params\": {}{}", self.covered, self.parameters));
        lines.join("\n")
    }

    fn signed(&self) -> RequestHeader {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        self.with_signature(hmac::sign(&key, self.base().as_bytes()).as_ref())
    }

    fn with_signature(&self, signature: &[u8]) -> RequestHeader {
        let mut header = RequestHeader::build(self.method, self.target.as_bytes(), None).unwrap();
        header.insert_header("host", self.host).unwrap();
        header.insert_header("content-type", "application/json").unwrap();
        header.insert_header("content-digest", &self.digest).unwrap();
        header.insert_header("signature-input", format!("sig1={}{}", self.covered, self.parameters)).unwrap();
        header.insert_header("signature", format!("sig1=:{}:", BASE64.encode(signature))).unwrap();
        header
    }
}

fn caller(presented: &str, require: bool) -> Authenticated<'_> {
    let key = crate::snapshot::fixture::key_of_a_service(|service| service.require_signature = require);
    Authenticated { principal: Principal::of(key), presented }
}

fn check(header: &RequestHeader) -> Result<SignedHead, SignatureError> {
    check_head(&caller(SECRET, true), header, true, NOW)
}

#[test]
fn rfc_9421_example_b_2_5_is_reproduced() {
    let mut header = RequestHeader::build("POST", b"/foo?param=Value&Pet=dog", None).unwrap();
    header.insert_header("host", "example.com").unwrap();
    header.insert_header("date", "Tue, 20 Apr 2021 02:07:55 GMT").unwrap();
    header.insert_header("content-type", "application/json").unwrap();
    let input = Input {
        components: ["date", "@authority", "content-type"].map(str::to_owned).to_vec(),
        created: 0,
        expires: None,
        nonce: String::new(),
        parameters: r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#.to_owned(),
        signature: Vec::new(),
    };
    let base = Message::new(&header).unwrap().signature_base(&input, "https").unwrap();
    let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(secret).unwrap());
    let expected = BASE64.decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=").unwrap();
    assert!(hmac::verify(&key, base.as_bytes(), &expected).is_ok(), "{base}");
}

#[test]
fn signed_request_passes_under_either_scheme() {
    for scheme in ["http", "https"] {
        let signed = check(&Draft { scheme, ..Draft::default() }.signed()).unwrap();
        assert!(signed.digests.match_body(Draft::default().body));
        assert!(!signed.digests.match_body(b"another"));
    }
    let covered = r#"("@method" "@target-uri" "@authority" "@path" "@query" "@scheme" "@request-target" "content-type" "content-digest")"#;
    assert!(check(&Draft { covered: covered.to_owned(), ..Draft::default() }.signed()).is_ok());
}

#[test]
fn what_was_signed_may_not_change() {
    let draft = Draft::default();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), draft.base().as_bytes());
    for changed in [
        Draft { method: "PUT", ..draft.clone() },
        Draft { target: "/v1/chat/completions?a=2".to_owned(), ..draft.clone() },
        Draft { target: "/v1/completions?a=1".to_owned(), ..draft.clone() },
        Draft { host: "elsewhere.test", ..draft.clone() },
        Draft { digest: "sha-256=:AAAA:".to_owned(), ..draft.clone() },
        Draft { parameters: format!(r#";created={};keyid="k";nonce="n""#, CREATED + 1), ..draft.clone() },
        Draft { parameters: format!(r#";created={CREATED};keyid="k";nonce="m""#), ..draft.clone() },
    ] {
        let found = check(&changed.with_signature(signature.as_ref()));
        assert_eq!(found.unwrap_err(), SignatureError::Mismatch, "{}", changed.base());
    }
    assert!(check(&draft.with_signature(signature.as_ref())).is_ok());
    let another = check_head(&caller("tg_another", true), &draft.signed(), true, NOW);
    assert_eq!(another.unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn time_must_be_near_and_expiry_is_respected() {
    let at = |created: i64, more: &str| {
        let parameters = format!(r#";created={created};keyid="k";nonce="n"{more}"#);
        check(&Draft { parameters, ..Draft::default() }.signed()).err()
    };
    assert_eq!(at(CREATED - 300, ""), None);
    assert_eq!(at(CREATED + 300, ""), None);
    assert_eq!(at(CREATED - 301, ""), Some(SignatureError::TooOld));
    assert_eq!(at(CREATED + 301, ""), Some(SignatureError::InTheFuture));
    assert_eq!(at(CREATED, &format!(";expires={}", CREATED + 1)), None);
    assert_eq!(at(CREATED, &format!(";expires={CREATED}")), Some(SignatureError::Expired));
    assert_eq!(at(-999_999_999_999_999, ""), Some(SignatureError::TooOld));
}

#[test]
fn what_cannot_be_checked_is_refused_and_named() {
    let good = format!(r#";created={CREATED};keyid="k";nonce="n""#);
    for (covered, parameters, named) in [
        (r#"("@method" "content-digest")"#, good.clone(), "@target-uri"),
        (r#"("@target-uri" "content-digest")"#, good.clone(), "@method"),
        (r#"("@method" "@target-uri")"#, good.clone(), "content-digest"),
        (r#"("@method" "@method" "@target-uri" "content-digest")"#, good.clone(), "twice"),
        (r#"("@method" "@target-uri" "@status" "content-digest")"#, good.clone(), "@status"),
        (r#"("@method";req "@target-uri" "content-digest")"#, good.clone(), "parameters"),
        (r#"("@method" "@target-uri" "content-digest" "x-none")"#, good.clone(), "x-none"),
        (COVERED, format!(r#";created={CREATED};keyid="k""#), "nonce"),
        (COVERED, format!(r#";created={CREATED};nonce="n""#), "keyid"),
        (COVERED, r#";keyid="k";nonce="n""#.to_owned(), "created"),
        (COVERED, format!(r#"{good};alg="rsa-pss-sha512""#), "alg"),
        (COVERED, r#";created="soon";keyid="k";nonce="n""#.to_owned(), "integers"),
        (COVERED, ";;".to_owned(), "dictionary"),
    ] {
        let draft = Draft { covered: covered.to_owned(), parameters, ..Draft::default() };
        match check(&draft.with_signature(b"?")) {
            Err(SignatureError::Unsupported(why)) => assert!(why.contains(named), "{covered}: {why}"),
            other => panic!("{covered}: {other:?}"),
        }
    }
}

#[test]
fn signature_is_looked_at_only_where_it_is_demanded() {
    let unsigned = RequestHeader::build("POST", b"/v1/chat/completions", None).unwrap();
    assert_eq!(check(&unsigned).unwrap_err(), SignatureError::Missing);
    assert_eq!(of_head(&caller(SECRET, true), &unsigned, true, NOW).unwrap_err().kind, ErrorKind::SignatureMissing);
    for header in [unsigned, Draft::default().with_signature(b"wrong")] {
        assert!(of_head(&caller(SECRET, false), &header, true, NOW).unwrap().is_none());
    }
}

#[test]
fn every_digest_that_is_understood_must_match() {
    let body = b"body";
    let sha256 = BASE64.encode(digest(&SHA256, body));
    let sha512 = BASE64.encode(digest(&SHA512, body));
    let read = |value: &str| {
        let mut header = RequestHeader::build("POST", b"/", None).unwrap();
        header.insert_header("content-digest", value).unwrap();
        ContentDigests::read(&header.headers)
    };
    assert!(read(&format!("sha-256=:{sha256}:")).unwrap().match_body(body));
    assert!(read(&format!("sha-512=:{sha512}:, md5=:AAAA:")).unwrap().match_body(body));
    assert!(read(&format!("sha-256=:{sha256}:, sha-512=:{sha512}:")).unwrap().match_body(body));
    assert!(!read(&format!("sha-256=:{sha256}:, sha-512=:{sha256}:")).unwrap().match_body(body));
    assert!(read("md5=:AAAA:").unwrap().is_empty());
    assert!(read("sha-256=5").is_err() && read("sha-256=()").is_err() && read("=").is_err());
}

proptest! {
    /// Whatever comes as a header, it is read or refused, and nothing but the right signature passes.
    #[test]
    fn no_other_signature_passes(input in "[ -~]{0,80}", signature in "[ -~]{0,80}") {
        let mut header = Draft::default().signed();
        header.insert_header("signature-input", input).unwrap();
        header.insert_header("signature", signature).unwrap();
        prop_assert!(check(&header).is_err());
    }
}
