//! Access tokens of the console and the API: JWTs, signed with Ed25519, valid for ten minutes.
//!
//! The algorithm is pinned; issuer, audience, expiry and "not before" are checked. A token alone admits nobody: the
//! session and the user behind it are looked up at every call, so that a disabled user is out at once.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use tollgate_shared::{
    clock::UnixMicros,
    ids::{SessionId, UserId},
    secret::Secret,
};

const ISSUER: &str = "tollgate-admin";
const AUDIENCE: &str = "tollgate-api";
const MICROS_PER_SECOND: i64 = 1_000_000;

/// How long an access token is valid.
pub const LIFETIME_SECONDS: i64 = 600;

/// PKCS #8 version 1 for an Ed25519 seed, up to the seed.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The private key of a 32-byte seed, in the form that libraries read.
pub(super) fn ed25519_private_key(seed: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    zeroize::Zeroizing::new([PKCS8_HEAD.as_slice(), seed].concat())
}

/// Why there is no token, or why one is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the signing key is not usable")]
    Key,
    #[error("the token could not be signed")]
    Sign,
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    pub user: UserId,
    pub session: SessionId,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Signs and checks access tokens.
#[derive(Clone)]
pub struct AccessTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl AccessTokens {
    /// `seed`: 32 random bytes, the Ed25519 private key.
    pub fn new(seed: &[u8]) -> Result<Self, TokenError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| TokenError::Key)?;
        let private = ed25519_private_key(seed);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // Checked here, against the service's own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            signing: EncodingKey::from_ed_der(&private),
            verifying: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            validation,
        })
    }

    pub fn issue(&self, subject: Subject, now: UnixMicros) -> Result<Secret, TokenError> {
        let now = now / MICROS_PER_SECOND;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.user,
            sid: subject.session,
            iat: now,
            nbf: now,
            exp: now + LIFETIME_SECONDS,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing);
        token.map(Secret::new).map_err(|_| TokenError::Sign)
    }

    pub fn verify(&self, token: &str, now: UnixMicros) -> Result<Subject, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let now = now / MICROS_PER_SECOND;
        if now < claims.nbf {
            return Err(TokenError::Invalid);
        }
        if now >= claims.exp {
            return Err(TokenError::Expired);
        }
        Ok(Subject { user: claims.sub, session: claims.sid })
    }
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessTokens")
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const NOW: UnixMicros = 1_700_000_000_000_000;

    fn subject() -> Subject {
        Subject { user: UserId::generate(), session: SessionId::generate() }
    }

    #[test]
    fn issued_token_names_its_subject_until_it_expires() {
        let tokens = AccessTokens::new(&[7; 32]).unwrap();
        let subject = subject();
        let token = tokens.issue(subject, NOW).unwrap();
        assert_eq!(tokens.verify(token.expose(), NOW).unwrap(), subject);
        assert_eq!(tokens.verify(token.expose(), NOW + 599 * MICROS_PER_SECOND).unwrap(), subject);
        assert!(matches!(tokens.verify(token.expose(), NOW + 600 * MICROS_PER_SECOND), Err(TokenError::Expired)));
        assert!(matches!(tokens.verify(token.expose(), NOW - MICROS_PER_SECOND), Err(TokenError::Invalid)));
    }

    #[test]
    fn token_of_another_key_is_refused() {
        let token = AccessTokens::new(&[7; 32]).unwrap().issue(subject(), NOW).unwrap();
        assert!(AccessTokens::new(&[8; 32]).unwrap().verify(token.expose(), NOW).is_err());
    }

    #[test]
    fn other_algorithms_are_refused() {
        let tokens = AccessTokens::new(&[7; 32]).unwrap();
        let token = tokens.issue(subject(), NOW).unwrap();
        let claims = token.expose().split('.').nth(1).unwrap();
        let unsigned = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#));
        assert!(tokens.verify(&unsigned, NOW).is_err());
        let public = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().public_key().as_ref().to_vec();
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_str(&decoded).unwrap();
        let confused =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(&public)).unwrap();
        assert!(tokens.verify(&confused, NOW).is_err());
    }

    #[test]
    fn token_for_another_audience_is_refused() {
        let tokens = AccessTokens::new(&[7; 32]).unwrap();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: "elsewhere".into(),
            sub: UserId::generate(),
            sid: SessionId::generate(),
            iat: 0,
            nbf: 0,
            exp: i64::MAX,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &tokens.signing).unwrap();
        assert!(tokens.verify(&token, NOW).is_err());
    }
}
