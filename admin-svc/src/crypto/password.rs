//! Passwords: argon2id with 19 MiB, two passes, one lane (OWASP's first choice), at most two at a time.
//!
//! A hash takes some 15 ms of a core and 19 MiB, so the number at a time is bounded: a flood of log-ins then waits in
//! line and leaves the other core to everyone else.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;
use tollgate_shared::secret::Secret;

const AT_A_TIME: usize = 2;
/// More than this many waiting would all time out at the client.
const IN_LINE: usize = 64;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many log-ins at the same time")]
    Busy,
    #[error("password hashing: {0}")]
    Hash(String),
}

/// Hashes and compares passwords; clones share the bound.
#[derive(Clone, Debug)]
pub struct Passwords {
    working: Arc<Semaphore>,
    line: Arc<Semaphore>,
    /// What the password of an unknown user is compared with, so that the answer takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    pub fn new() -> Result<Self, PasswordError> {
        let decoy = hash(&Secret::new("decoy".to_owned()))?;
        Ok(Self {
            working: Arc::new(Semaphore::new(AT_A_TIME)),
            line: Arc::new(Semaphore::new(IN_LINE)),
            decoy: decoy.into(),
        })
    }

    /// The PHC string to store.
    pub async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        self.run(move || hash(&password)).await
    }

    /// Whether the password is right; `stored` absent: it is not, after the same time.
    pub async fn matches(&self, password: Secret, stored: Option<&str>) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.decoy).to_owned();
        self.run(move || matches(&password, &stored)).await.map(|right| right && known)
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, PasswordError> + Send + 'static,
    {
        let _place = self.line.try_acquire().map_err(|_| PasswordError::Busy)?;
        let permit = Arc::clone(&self.working).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let job = tokio::task::spawn_blocking(move || {
            // Held by the thread: a caller that leaves does not make room for a third one.
            let _permit = permit;
            work()
        });
        job.await.map_err(|error| PasswordError::Hash(error.to_string()))?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Secret) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2()?
        .hash_password(password.expose().as_bytes())
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

fn matches(password: &Secret, stored: &str) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(argon2()?.verify_password(password.expose().as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(passwords.matches(secret("correct horse"), Some(&stored)).await.unwrap());
        assert!(!passwords.matches(secret("wrong horse"), Some(&stored)).await.unwrap());
        assert!(!passwords.matches(secret("decoy"), None).await.unwrap());
    }

    #[tokio::test]
    async fn same_password_is_hashed_with_different_salts() {
        let passwords = Passwords::new().unwrap();
        let (first, second) = (passwords.hash(secret("a")).await.unwrap(), passwords.hash(secret("a")).await.unwrap());
        assert_ne!(first, second);
    }
}
