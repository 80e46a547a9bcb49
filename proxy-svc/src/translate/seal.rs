//! The cryptography behind [`tollgate_dialect::translate::Seal`]: AES-256-GCM under a key that all proxies of a control
//! plane share, bound to the service, so that one tenant's conversation opens nothing of another's.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use tollgate_dialect::translate::Seal;
use tollgate_shared::{access_key::Pepper, ids::ServiceId};

/// What the key is derived for; another purpose gets another key.
const PURPOSE: &str = "tollgate seal v1";

/// Seals what only the gateway may read again. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SealingKey(std::sync::Arc<LessSafeKey>);

/// The same, for one service. Without a key it seals to nothing and opens nothing.
pub(crate) struct ServiceSeal {
    key: Option<SealingKey>,
    service: ServiceId,
}

impl ServiceSeal {
    pub(super) fn new(key: Option<SealingKey>, service: ServiceId) -> Self {
        Self { key, service }
    }

    fn aad(&self) -> Aad<[u8; 16]> {
        Aad::from(self.service.as_uuid().into_bytes())
    }
}

impl SealingKey {
    /// From the secret that all proxies have from the control plane; a rotation of it makes what was sealed before
    /// unreadable, which costs those conversations their signatures and nothing else.
    pub(crate) fn derive(pepper: &Pepper) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &pepper.mac(PURPOSE)).ok()?;
        Some(Self(std::sync::Arc::new(LessSafeKey::new(key))))
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey")
    }
}

impl Seal for ServiceSeal {
    /// A random nonce, then the ciphertext and its tag. Nothing at all when the system has no randomness: what the caller
    /// then gives back does not open, and the conversation goes on without that thought.
    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let Some(SealingKey(key)) = &self.key else { return Vec::new() };
        let mut nonce = [0; NONCE_LEN];
        if SystemRandom::new().fill(&mut nonce).is_err() {
            return Vec::new();
        }
        let mut text = plain.to_vec();
        let sealed = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.aad(), &mut text);
        if sealed.is_err() { Vec::new() } else { [&nonce[..], &text].concat() }
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let SealingKey(key) = self.key.as_ref()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.open_in_place(nonce, self.aad(), &mut text).ok()?.len();
        text.truncate(plain);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_service_under_the_same_key_opens_it() {
        let service = ServiceId::generate();
        let seal = |pepper: u8, service| ServiceSeal::new(SealingKey::derive(&Pepper::new(&[pepper; 32])), service);
        let sealed = seal(1, service).seal(b"signature");
        assert_eq!(seal(1, service).open(&sealed).as_deref(), Some(&b"signature"[..]));
        assert_eq!(seal(1, ServiceId::generate()).open(&sealed), None);
        assert_eq!(seal(2, service).open(&sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal(1, service).open(&changed), None, "byte {at}");
        }
        assert_eq!(seal(1, service).open(b"short"), None);
    }
}
