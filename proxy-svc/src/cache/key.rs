//! What makes two requests the same: everything that decides the answer, under a keyed hash.
//!
//! The hash is HMAC-SHA256 with a key that only the proxies of one control plane have: nobody outside can find two
//! requests of one key, nor tell by a key what was asked. Every part goes in with its length, so that no part runs into
//! the next. Nothing is brought to a normal form: what differs in one byte is another request.
//!
//! From the same secret comes the key under which answers are sealed for a store outside of this process.

use std::sync::Arc;

use http::HeaderMap;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use tollgate_dialect::{Protocol, endpoint::Operation, headers};
use tollgate_shared::{
    access_key::Pepper,
    ids::{AccessKeyId, ServiceId},
};

use crate::snapshot::Fingerprint;

/// What the keys are derived for; another purpose gets another key.
const KEY_PURPOSE: &str = "tollgate response cache key v1";
const SEAL_PURPOSE: &str = "tollgate response cache seal v1";

/// Headers that go to an upstream and do not change its answer: SDKs send a new one with each request.
const IRRELEVANT: [&str; 2] = ["idempotency-key", "x-server-timeout"];

/// Makes keys of requests, and seals answers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CacheKey(Arc<Keys>);

struct Keys {
    mac: hmac::Key,
    /// Absent only if the library would not take 32 bytes for a key: then nothing is sealed and nothing opens.
    seal: Option<LessSafeKey>,
}

/// Where an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EntryKey([u8; 32]);

/// A request, as far as it decides its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) service: ServiceId,
    /// Absent where all access keys of the service share what is kept.
    pub(super) access_key: Option<AccessKeyId>,
    pub(super) route: &'a Fingerprint,
    pub(super) protocol: Protocol,
    pub(super) operation: Operation,
    pub(super) path: &'a str,
    /// Without what could be an access key.
    pub(super) query: &'a str,
    pub(super) stream: bool,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl CacheKey {
    /// From the secret that all proxies have from the control plane.
    pub(crate) fn derive(pepper: &Pepper) -> Self {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &pepper.mac(KEY_PURPOSE));
        let seal = UnboundKey::new(&AES_256_GCM, &pepper.mac(SEAL_PURPOSE)).ok().map(LessSafeKey::new);
        Self(Arc::new(Keys { mac, seal }))
    }

    pub(super) fn of(&self, question: &Question<'_>) -> EntryKey {
        let Question { service, access_key, route, protocol, operation, path, query, stream, headers, body } = question;
        let mut parts = Parts(hmac::Context::with_key(&self.0.mac));
        parts.part(service.as_uuid().as_bytes());
        parts.part(access_key.as_ref().map_or(&[][..], |id| id.as_uuid().as_bytes()));
        parts.part(route.as_bytes());
        parts.part(protocol.as_str().as_bytes());
        parts.part(operation.as_str().as_bytes());
        parts.part(path.as_bytes());
        parts.part(query.as_bytes());
        parts.part(&[u8::from(*stream)]);
        for name in headers::request_names(*protocol).filter(|name| !IRRELEVANT.contains(name)) {
            parts.number(headers.get_all(name).iter().count());
            for value in headers.get_all(name) {
                parts.part(value.as_bytes());
            }
        }
        parts.part(body);
        let mut key = [0; 32];
        key.copy_from_slice(parts.0.sign().as_ref());
        EntryKey(key)
    }

    /// A random nonce, then the ciphertext and its tag; bound to the key, so that it opens at no other.
    pub(super) fn seal(&self, key: &EntryKey, mut plain: Vec<u8>) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let aad = Aad::from(key.as_bytes());
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal.as_ref()?.seal_in_place_append_tag(unique, aad, &mut plain).ok()?;
        plain.splice(..0, nonce);
        Some(plain)
    }

    /// What was sealed for this key; nothing when it was not, or was changed.
    pub(super) fn open(&self, key: &EntryKey, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(*sealed.first_chunk()?);
        let text = sealed.get_mut(NONCE_LEN..)?;
        let plain = self.0.seal.as_ref()?.open_in_place(nonce, Aad::from(key.as_bytes()), text).ok()?.len();
        sealed.drain(..NONCE_LEN);
        sealed.truncate(plain);
        Some(sealed)
    }
}

impl EntryKey {
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey")
    }
}

struct Parts(hmac::Context);

impl Parts {
    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }
}

#[cfg(test)]
pub(super) mod tests;
