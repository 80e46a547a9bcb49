//! The audit chain: each record's hash covers the record and the hash before it, under a key.
//!
//! Whoever can write to the database but has no master key can neither change, insert nor remove a record in the
//! middle without breaking every hash after it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;

/// The hash before the first record.
pub const START: &str = "start";

/// Computes and compares hashes of records.
#[derive(Clone)]
pub struct AuditChain(hmac::Key);

impl AuditChain {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The hash of a record. Every field is preceded by its length (absent: none), so that no two records look alike.
    pub fn hash(&self, previous: &str, fields: &[Option<&str>]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for field in std::iter::once(&Some(previous)).chain(fields) {
            match field {
                Some(text) => {
                    context.update(&[1]);
                    context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                    context.update(text.as_bytes());
                }
                None => context.update(&[0]),
            }
        }
        BASE64.encode(context.sign())
    }
}

impl std::fmt::Debug for AuditChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditChain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_depends_on_key_predecessor_and_every_field() {
        let chain = AuditChain::new(&[1; 32]);
        let hash = chain.hash(START, &[Some("a"), None, Some("b")]);
        assert_eq!(hash, chain.hash(START, &[Some("a"), None, Some("b")]));
        assert_ne!(hash, AuditChain::new(&[2; 32]).hash(START, &[Some("a"), None, Some("b")]));
        assert_ne!(hash, chain.hash("other", &[Some("a"), None, Some("b")]));
        assert_ne!(hash, chain.hash(START, &[Some("a"), Some(""), Some("b")]));
        assert_ne!(hash, chain.hash(START, &[Some("ab"), None, Some("")]));
    }
}
