//! HTTP Message Signatures (RFC 9421): that a request is the one that its caller made, and that it comes once.
//!
//! The key of the HMAC is the credential that the request presents, so that callers have nothing else to keep and the
//! control plane needs to know no secret. What that protects against, and what not, is in
//! `docs/adr/0010-what-stands-before-a-request.md`. Time is checked first, then the signature, then the nonce (a nonce is
//! used up by its owner alone), and the body when it is there.

use bytes::Bytes;
use http::HeaderMap;
use pingora::http::RequestHeader;
use ring::hmac;
use tollgate_dialect::error::ErrorKind;
use tollgate_shared::clock::UnixMicros;

mod base;
mod digest;
mod input;
mod nonces;

pub(crate) use digest::ContentDigests;
pub(crate) use nonces::{NonceStore, ProxyNonces, SharedNonces};

use base::Message;
use input::Input;
use nonces::{Nonce, NonceUse};

use crate::{authenticate::Authenticated, limits::Patience, respond::Refusal};

/// How far a signature's time may be from ours.
const WINDOW_SECONDS: i64 = 300;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// What must be signed, whatever else is.
const ALWAYS_SIGNED: [&str; 2] = ["@method", "@target-uri"];

/// Why a signature is not accepted; the caller is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    #[error("This service takes signed requests only: `signature-input` and `signature` are missing")]
    Missing,
    #[error("The signature cannot be checked: {0}")]
    Unsupported(String),
    #[error("The signature does not match: the method, the address or a signed header is not what was signed")]
    Mismatch,
    #[error("The body does not match its `content-digest`")]
    Digest,
    #[error("The signature was made more than 300 seconds ago")]
    TooOld,
    #[error("The signature was made more than 300 seconds in the future")]
    InTheFuture,
    #[error("The signature has expired")]
    Expired,
    #[error("The signature's nonce was used before")]
    NonceReused,
}

impl SignatureError {
    fn unsupported(why: impl Into<String>) -> Self {
        Self::Unsupported(why.into())
    }

    const fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing => ErrorKind::SignatureMissing,
            Self::Unsupported(_) => ErrorKind::SignatureUnsupported,
            Self::Mismatch => ErrorKind::SignatureMismatch,
            Self::Digest => ErrorKind::DigestMismatch,
            Self::TooOld | Self::InTheFuture => ErrorKind::SignatureNotCurrent,
            Self::Expired => ErrorKind::SignatureExpired,
            Self::NonceReused => ErrorKind::NonceReused,
        }
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        Self::new(error.kind(), format!("{error}."))
    }
}

/// A request's header as it was signed; whether it came for the first time is not known yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct SignedHead {
    nonce: Nonce,
    digests: ContentDigests,
}

/// Checks the signature where the service demands one; one that is there without need is not looked at. Boxed, so that
/// requests without one stay small.
pub(crate) fn of_head(
    caller: &Authenticated<'_>,
    header: &RequestHeader,
    has_body: bool,
    now: UnixMicros,
) -> Result<Option<Box<SignedHead>>, Refusal> {
    let demanded = caller.principal.key.service.require_signature;
    if demanded { Ok(Some(Box::new(check_head(caller, header, has_body, now)?))) } else { Ok(None) }
}

fn check_head(
    caller: &Authenticated<'_>,
    header: &RequestHeader,
    has_body: bool,
    now: UnixMicros,
) -> Result<SignedHead, SignatureError> {
    let input = Input::read(&header.headers)?;
    let digests = ContentDigests::read(&header.headers)?;
    check_components(&input, has_body, digests.is_empty())?;
    let until = check_time(&input, now)?;
    verify(&input, &Message::new(header)?, caller.presented)?;
    Ok(SignedHead { nonce: Nonce::new(caller.principal.key.id, &input.nonce, until), digests })
}

impl SignedHead {
    /// Returns what the body must match.
    pub(crate) async fn first_use(
        self: Box<Self>,
        nonces: &dyn NonceStore,
        now: UnixMicros,
        patience: &mut Patience,
    ) -> Result<Box<ContentDigests>, Refusal> {
        match nonces.first_use(self.nonce, now, patience).await {
            NonceUse::First => Ok(Box::new(self.digests)),
            NonceUse::Again => Err(SignatureError::NonceReused.into()),
            NonceUse::Unknown => Err(Refusal::nonces_full()),
        }
    }
}

impl ContentDigests {
    /// Whether a body is the one that was signed.
    pub(crate) fn check(&self, body: &Bytes) -> Result<(), Refusal> {
        if self.match_body(body) { Ok(()) } else { Err(SignatureError::Digest.into()) }
    }
}

fn check_components(input: &Input, has_body: bool, no_digest: bool) -> Result<(), SignatureError> {
    let signs = |name: &str| input.components.iter().any(|component| component == name);
    if let Some(missing) = ALWAYS_SIGNED.iter().find(|name| !signs(name)) {
        return Err(SignatureError::unsupported(format!("it does not cover `{missing}`")));
    }
    if has_body && !signs("content-digest") {
        return Err(SignatureError::unsupported("it does not cover `content-digest`, and there is a body"));
    }
    if signs("content-digest") && no_digest {
        return Err(SignatureError::unsupported("`content-digest` has neither sha-256 nor sha-512"));
    }
    Ok(())
}

/// Until when the nonce must be remembered, in seconds since 1970.
fn check_time(input: &Input, now: UnixMicros) -> Result<i64, SignatureError> {
    let now = now / MICROS_PER_SECOND;
    // Both are bounded by their form (15 digits), so nothing overflows.
    if input.created < now - WINDOW_SECONDS {
        return Err(SignatureError::TooOld);
    }
    if input.created > now + WINDOW_SECONDS {
        return Err(SignatureError::InTheFuture);
    }
    if input.expires.is_some_and(|expires| expires <= now) {
        return Err(SignatureError::Expired);
    }
    Ok(input.created + WINDOW_SECONDS)
}

/// Under either scheme, because TLS may have ended before us: see [`base`].
fn verify(input: &Input, message: &Message<'_>, key: &str) -> Result<(), SignatureError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    for scheme in ["https", "http"] {
        let base = message.signature_base(input, scheme)?;
        if hmac::verify(&key, base.as_bytes(), &input.signature).is_ok() {
            return Ok(());
        }
    }
    Err(SignatureError::Mismatch)
}

/// A field's lines as one value (RFC 9110, section 5.3); absent when there is none, or one that is no text.
fn combined(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut lines = headers.get_all(name).iter();
    let mut value = lines.next()?.to_str().ok()?.trim().to_owned();
    for line in lines {
        value.push_str(", ");
        value.push_str(line.to_str().ok()?.trim());
    }
    Some(value)
}

#[cfg(test)]
mod tests;
