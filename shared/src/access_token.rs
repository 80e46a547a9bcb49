//! The short-lived token (a JWT, signed with Ed25519) that stands for an access key: what both planes agree on.
//!
//! The control plane signs, proxies verify from what they hold. A token carries no right of its own: the access key
//! that it names must be in force at every request.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::ids::AccessKeyId;

pub const ISSUER: &str = "tollgate-admin";
pub const AUDIENCE: &str = "tollgate-proxy";
/// The one algorithm.
pub const ALGORITHM: &str = "EdDSA";
/// When nothing is asked for.
pub const DEFAULT_SECONDS: u32 = 600;
pub const LONGEST_SECONDS: u32 = 3600;
/// By how much the clocks of the planes may differ.
pub const LEEWAY_SECONDS: i64 = 10;
/// Far above what the control plane makes; what is longer is not looked into.
pub const LONGEST_TOKEN_BYTES: usize = 8 << 10;

/// Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: AccessKeyId,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub jti: String,
    /// Narrows the access key's models; absent = all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
}

/// Whether a text has the form of a token: three base64url parts, of which the first is a JSON object. Says nothing
/// about whether it is one of ours.
pub fn is_well_formed(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_part = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && part.bytes().all(is_base64url));
    text.starts_with("eyJ")
        && is_part(parts.next())
        && is_part(parts.next())
        && is_part(parts.next())
        && parts.next().is_none()
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The name (`kid`) under which tokens refer to a public key.
pub fn key_id(public_key: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, public_key);
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_of_a_token_is_three_parts() {
        assert!(is_well_formed("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl_-"));
        for text in ["", "eyJ", "eyJh.eyJh", "eyJh.eyJh.", "eyJh.eyJh.a.b", "eyJh.ey+h.a", "tg_a.b.c", "eyJh..a"] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
