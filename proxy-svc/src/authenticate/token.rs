//! Tokens that stand for an access key, verified with what the snapshot holds.
//!
//! A signature costs as much to check as a hundred look-ups, and a token comes many times, so what was verified is
//! remembered: a table of fixed size by the token's MAC, read without a lock, in which a newer token takes an older
//! one's place. A remembered token is accepted while it is current and while the key that signed it is still one of the
//! control plane's; whether its access key is in force is asked at every request, by the caller.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, de::IgnoredAny};
use tollgate_shared::{
    access_key::{AccessKeyMac, Pepper},
    access_token::{ALGORITHM, AUDIENCE, Claims, ISSUER, LEEWAY_SECONDS, LONGEST_TOKEN_BYTES},
    clock::UnixMicros,
    ids::AccessKeyId,
};

use crate::{
    respond::Refusal,
    route::pattern::Pattern,
    snapshot::{Snapshot, TokenKey},
};

/// Tokens that are remembered at the same time, at most; about a megabyte.
const REMEMBERED: usize = 4096;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// What a token says, once its signature was found good.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    mac: AccessKeyMac,
    signed_by: TokenKey,
    not_before: UnixMicros,
    expires_at: UnixMicros,
    pub(super) access_key: AccessKeyId,
    pub(super) models: Option<Arc<[Pattern]>>,
}

/// The tokens that were verified lately.
pub(crate) struct VerifiedTokens {
    slots: Box<[ArcSwapOption<VerifiedToken>]>,
}

/// Only these members: what else a header says about how to verify it is not listened to.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood; none are.
    crit: Option<IgnoredAny>,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self { slots: std::iter::repeat_with(ArcSwapOption::empty).take(REMEMBERED).collect() }
    }
}

/// How a request's token is verified.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    pub(crate) verified: &'a VerifiedTokens,
    /// Whether one that is not among them may be verified now.
    pub(crate) may_verify: &'a dyn Fn() -> Result<(), Refusal>,
}

impl Tokens<'_> {
    pub(super) fn verify(
        self,
        snapshot: &Snapshot,
        pepper: &Pepper,
        token: &str,
        now: UnixMicros,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        if token.len() > LONGEST_TOKEN_BYTES {
            return Err(Refusal::invalid_access_token());
        }
        let mac = pepper.mac(token);
        let slot = self.verified.slots.get(usize::from(u16::from_le_bytes([mac[0], mac[1]])) % REMEMBERED);
        let remembered = slot.and_then(ArcSwapOption::load_full);
        let remembered = remembered.filter(|known| known.mac == mac && known.is_still_signed(snapshot));
        let verified = if let Some(known) = remembered {
            known
        } else {
            let signed = Signed::read(snapshot, token).ok_or_else(Refusal::invalid_access_token)?;
            // What is no token of ours costs no check of a signature, and none of those that may be made.
            (self.may_verify)()?;
            let fresh = Arc::new(signed.verify(mac).ok_or_else(Refusal::invalid_access_token)?);
            if let Some(slot) = slot {
                slot.store(Some(Arc::clone(&fresh)));
            }
            fresh
        };
        if now < verified.not_before {
            return Err(Refusal::early_access_token());
        }
        if now >= verified.expires_at {
            return Err(Refusal::expired_access_token());
        }
        Ok(verified)
    }
}

impl VerifiedToken {
    fn is_still_signed(&self, snapshot: &Snapshot) -> bool {
        snapshot.token_key(&self.signed_by.id) == Some(&self.signed_by)
    }
}

/// A token that says to be signed with one of our keys.
struct Signed<'a> {
    message: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
    by: &'a TokenKey,
}

impl<'a> Signed<'a> {
    fn read(snapshot: &'a Snapshot, token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let Header { alg, kid, crit } = serde_json::from_slice(&decode(header)?).ok()?;
        let by = snapshot.token_key(&kid)?;
        let is_ours = alg == ALGORITHM && crit.is_none();
        is_ours.then_some(Self { message, claims, signature: decode(signature)?, by })
    }

    fn verify(self, mac: AccessKeyMac) -> Option<VerifiedToken> {
        let public_key = UnparsedPublicKey::new(&ED25519, &self.by.public_key);
        public_key.verify(self.message.as_bytes(), &self.signature).ok()?;
        let claims = serde_json::from_slice(&decode(self.claims)?).ok()?;
        let Claims { iss, aud, sub, iat: _, nbf, exp, jti: _, models } = claims;
        if iss != ISSUER || aud != AUDIENCE {
            return None;
        }
        let patterns = |models: Vec<String>| models.iter().map(|model| Pattern::parse(model)).collect::<Result<_, _>>();
        Some(VerifiedToken {
            mac,
            signed_by: self.by.clone(),
            not_before: (nbf - LEEWAY_SECONDS).checked_mul(MICROS_PER_SECOND)?,
            expires_at: (exp + LEEWAY_SECONDS).checked_mul(MICROS_PER_SECOND)?,
            access_key: sub,
            models: models.map(patterns).transpose().ok()?,
        })
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
