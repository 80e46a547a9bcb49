//! The secret that an application presents, and the form in which it is stored and looked up.
//!
//! `tg_` + 43 characters (256 random bits, base64url) + 6 characters (CRC-32 of what stands before, base64url).
//! The checksum lets scanners recognise a leaked key and lets a typing error be refused without a look-up; it
//! protects nothing. At rest there is only [`AccessKeyMac`].

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hmac, rand::SecureRandom};

use crate::secret::Secret;

const PREFIX: &str = "tg_";
const RANDOM_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;

/// HMAC-SHA256 of an access key's secret under the pepper.
pub type AccessKeyMac = [u8; 32];

/// The system's source of randomness failed.
#[derive(Debug, thiserror::Error)]
#[error("no randomness from the system")]
pub struct NoRandomness;

/// A new access key's secret.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate(random: &dyn SecureRandom) -> Result<Secret, NoRandomness> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    let mut text = String::with_capacity(LENGTH);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    let checksum = crc32fast::hash(text.as_bytes());
    URL_SAFE_NO_PAD.encode_string(checksum.to_be_bytes(), &mut text);
    Ok(Secret::new(text))
}

/// Whether a text has the form of an access key, checksum included. Says nothing about whether the key exists.
pub fn is_well_formed(text: &str) -> bool {
    if text.len() != LENGTH || !text.starts_with(PREFIX) || !text.is_ascii() {
        return false;
    }
    let (body, checksum) = text.split_at(LENGTH - CHECKSUM_CHARACTERS);
    URL_SAFE_NO_PAD.decode(checksum).is_ok_and(|bytes| bytes == crc32fast::hash(body.as_bytes()).to_be_bytes())
}

/// Computes [`AccessKeyMac`]s; made once for each pepper because the key schedule costs as much as the hash.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// `bytes`: 32 random bytes, the same on both planes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    pub fn mac(&self, secret: &str) -> AccessKeyMac {
        let tag = hmac::sign(&self.0, secret.as_bytes());
        let mut mac = [0; 32];
        mac.copy_from_slice(tag.as_ref());
        mac
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_are_well_formed_and_differ() {
        let random = ring::rand::SystemRandom::new();
        let (first, second) = (generate(&random).unwrap(), generate(&random).unwrap());
        assert!(is_well_formed(first.expose()));
        assert_ne!(first, second);
    }

    #[test]
    fn one_changed_character_is_noticed() {
        let key = generate(&ring::rand::SystemRandom::new()).unwrap();
        for position in 0..key.expose().len() {
            let mut bytes = key.expose().as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            assert!(!is_well_formed(std::str::from_utf8(&bytes).unwrap()), "position {position}");
        }
    }

    #[test]
    fn mac_depends_on_secret_and_pepper() {
        let (one, other) = (Pepper::new(&[1; 32]), Pepper::new(&[2; 32]));
        assert_eq!(one.mac("a"), one.mac("a"));
        assert_ne!(one.mac("a"), one.mac("b"));
        assert_ne!(one.mac("a"), other.mac("a"));
    }
}
