//! Tokens that stand for an access key: JWTs, signed with Ed25519. Proxies verify them with the public key alone.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::signature::{Ed25519KeyPair, KeyPair};
use tollgate_shared::{
    access_token::{self, Claims},
    secret::Secret,
};

use super::token::{TokenError, ed25519_private_key};

/// A key pair that tokens are signed with.
pub struct TokenSigner {
    signing: EncodingKey,
    public: PublicTokenKey,
}

/// What a proxy needs to verify a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTokenKey {
    /// The tokens' `kid`.
    pub id: String,
    pub public_key: Vec<u8>,
}

impl TokenSigner {
    /// `seed`: 32 random bytes, the Ed25519 private key.
    pub fn new(seed: &[u8]) -> Result<Self, TokenError> {
        let public_key = PublicTokenKey::of_seed(seed)?;
        Ok(Self { signing: EncodingKey::from_ed_der(&ed25519_private_key(seed)), public: public_key })
    }

    pub fn sign(&self, claims: &Claims) -> Result<Secret, TokenError> {
        let header = Header { kid: Some(self.public.id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.signing).map(Secret::new).map_err(|_| TokenError::Sign)
    }
}

impl PublicTokenKey {
    /// `seed`: as for [`TokenSigner::new`].
    pub fn of_seed(seed: &[u8]) -> Result<Self, TokenError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| TokenError::Key)?;
        let public_key = pair.public_key().as_ref().to_vec();
        Ok(Self { id: access_token::key_id(&public_key), public_key })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use tollgate_shared::ids::AccessKeyId;

    use super::*;

    #[test]
    fn token_names_its_key_and_holds_its_claims() {
        let claims = Claims {
            iss: access_token::ISSUER.into(),
            aud: access_token::AUDIENCE.into(),
            sub: AccessKeyId::generate(),
            iat: 1,
            nbf: 1,
            exp: i64::from(u32::MAX),
            jti: "1".into(),
            models: None,
        };
        let token = TokenSigner::new(&[7; 32]).unwrap().sign(&claims).unwrap();
        assert!(access_token::is_well_formed(token.expose()));
        let public = PublicTokenKey::of_seed(&[7; 32]).unwrap();
        assert_eq!(jsonwebtoken::decode_header(token.expose()).unwrap().kid, Some(public.id));
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[access_token::AUDIENCE]);
        let decoded =
            jsonwebtoken::decode::<Claims>(token.expose(), &DecodingKey::from_ed_der(&public.public_key), &validation);
        assert_eq!(decoded.unwrap().claims, claims);
    }
}
