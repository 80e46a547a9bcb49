//! Cryptography of the control plane: sealing of secrets at rest, passwords, access tokens, the audit chain.
//!
//! `ring` does the ciphers and MACs. Nothing here touches the database or the clock.

pub mod access_key_token;
pub mod chain;
pub mod envelope;
pub mod password;
pub mod token;

use ring::rand::{SecureRandom, SystemRandom};

/// The system's source of randomness failed.
#[derive(Debug, thiserror::Error)]
#[error("no randomness from the system")]
pub struct NoRandomness;

/// `N` random bytes from the system.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
