//! Nonces that were seen, so that a signed request cannot be sent again while its signature is current.
//!
//! [`ProxyNonces`] remembers those of one proxy: a request that is replayed at another proxy is not noticed there.
//! [`SharedNonces`] also asks Redis, where there is one. A proxy's memory is bounded. When it is full of nonces that are
//! still current, a new one cannot be told from a used one after it was forgotten, so signed requests are refused (503)
//! until some run out; a used nonce is never forgotten early.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use tollgate_shared::{clock::UnixMicros, ids::AccessKeyId};

use self::hasher::EvenHasher;
use crate::limits::{Patience, shared::Shared};

const SHARDS: usize = 64;
/// Below that it is not worth while to look for what ran out.
const SMALLEST_SWEEP: usize = 64;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A nonce of one access key, and until when it must be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    /// Of the key's id and the nonce, so that callers do not get in each other's way.
    digest: u128,
    /// Seconds since 1970; at that second the signature is still current.
    until: i64,
}

/// Whether a nonce was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceUse {
    First,
    Again,
    /// The memory is full, or cannot be reached.
    Unknown,
}

/// Remembers nonces.
#[async_trait]
pub(crate) trait NonceStore: Send + Sync {
    /// Notes a nonce; of several calls with the same one, exactly one is told that it was the first.
    async fn first_use(&self, nonce: Nonce, now: UnixMicros, patience: &mut Patience) -> NonceUse;
}

impl Nonce {
    pub(super) fn new(key: AccessKeyId, nonce: &str, until: i64) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(key.as_uuid().as_bytes());
        context.update(nonce.as_bytes());
        let digest = context.finish();
        let digest = digest.as_ref().first_chunk().copied().map_or(0, u128::from_le_bytes);
        Self { digest, until }
    }
}

/// The nonces of one proxy. A lock is held for one look-up, by signed requests alone; a sweep of a shard comes once for
/// as many insertions as the shard held.
pub(crate) struct ProxyNonces {
    shards: Box<[Mutex<Shard>]>,
    most_in_shard: usize,
}

#[derive(Default)]
struct Shard {
    until: HashMap<u128, i64, BuildHasherDefault<EvenHasher>>,
    sweep_at: usize,
}

impl ProxyNonces {
    /// `most`: nonces that are remembered at the same time, about.
    pub(crate) fn new(most: usize) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, most_in_shard: most.div_ceil(SHARDS).max(1) }
    }

    fn note(&self, nonce: Nonce, now: UnixMicros) -> NonceUse {
        let now = now / MICROS_PER_SECOND;
        let Some(shard) = self.shards.get((nonce.digest >> 120) as usize % SHARDS) else { return NonceUse::Unknown };
        let mut shard = shard.lock();
        if shard.until.get(&nonce.digest).is_some_and(|until| *until >= now) {
            return NonceUse::Again;
        }
        if shard.until.len() >= shard.sweep_at.min(self.most_in_shard) {
            shard.until.retain(|_, until| *until >= now);
            shard.sweep_at = (shard.until.len() * 2).max(SMALLEST_SWEEP);
            if shard.until.len() >= self.most_in_shard {
                return NonceUse::Unknown;
            }
        }
        shard.until.insert(nonce.digest, nonce.until);
        NonceUse::First
    }
}

#[async_trait]
impl NonceStore for ProxyNonces {
    async fn first_use(&self, nonce: Nonce, now: UnixMicros, _: &mut Patience) -> NonceUse {
        self.note(nonce, now)
    }
}

/// What all proxies remember together, in Redis. While that does not answer, a proxy goes by what it remembers itself.
pub(crate) struct SharedNonces {
    own: ProxyNonces,
    shared: Arc<Shared>,
}

impl SharedNonces {
    pub(crate) fn new(own: ProxyNonces, shared: Arc<Shared>) -> Self {
        Self { own, shared }
    }
}

#[async_trait]
impl NonceStore for SharedNonces {
    async fn first_use(&self, nonce: Nonce, now: UnixMicros, patience: &mut Patience) -> NonceUse {
        let own = self.own.note(nonce, now);
        if own != NonceUse::First {
            return own;
        }
        let mut note = redis::cmd("SET");
        // At the last second it still counts.
        let lasts = (nonce.until - now / MICROS_PER_SECOND + 1).max(1);
        note.arg(format!("tollgate:nonce:{:032x}", nonce.digest)).arg(1).arg("NX").arg("EX").arg(lasts);
        match self.shared.query::<Option<String>>(&note, patience).await {
            Some(None) => NonceUse::Again,
            Some(Some(_)) | None => NonceUse::First,
        }
    }
}

mod hasher {
    /// For keys that are a digest's bytes already.
    #[derive(Debug, Default)]
    pub(super) struct EvenHasher(u64);

    impl std::hash::Hasher for EvenHasher {
        fn write(&mut self, bytes: &[u8]) {
            self.0 = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonce(number: u32, until: i64) -> Nonce {
        Nonce::new(AccessKeyId::from_uuid(uuid::Uuid::nil()), &number.to_string(), until)
    }

    #[test]
    fn nonce_counts_for_its_key_only() {
        let nonces = ProxyNonces::new(1000);
        let (one, other) = (AccessKeyId::generate(), AccessKeyId::generate());
        assert_eq!(nonces.note(Nonce::new(one, "n", 10), 0), NonceUse::First);
        assert_eq!(nonces.note(Nonce::new(other, "n", 10), 0), NonceUse::First);
        assert_eq!(nonces.note(Nonce::new(one, "n", 10), 0), NonceUse::Again);
    }

    #[tokio::test]
    async fn proxies_with_redis_remember_together_and_each_alone_without() {
        let redis = crate::limits::shared::tests::Redis::start();
        let ((one, _one), (other, _other)) = (redis.shared().await, redis.shared().await);
        let proxy = |shared| SharedNonces::new(ProxyNonces::new(1000), shared);
        let (one, other) = (proxy(one), proxy(other));
        assert_eq!(one.first_use(nonce(1, 300), 0, &mut Patience::new()).await, NonceUse::First);
        assert_eq!(other.first_use(nonce(1, 300), 0, &mut Patience::new()).await, NonceUse::Again);
        assert_eq!(other.first_use(nonce(2, 300), 0, &mut Patience::new()).await, NonceUse::First);
        assert_eq!(other.first_use(nonce(2, 300), 0, &mut Patience::new()).await, NonceUse::Again);
        let address = redis.kill();
        assert_eq!(one.first_use(nonce(3, 300), 0, &mut Patience::new()).await, NonceUse::First);
        assert_eq!(one.first_use(nonce(3, 300), 0, &mut Patience::new()).await, NonceUse::Again);
        // They share again when it is back, though nobody asks about limits.
        let _redis = crate::limits::shared::tests::Redis::start_at(address);
        for number in 4.. {
            assert_eq!(one.first_use(nonce(number, 300), 0, &mut Patience::new()).await, NonceUse::First);
            if other.first_use(nonce(number, 300), 0, &mut Patience::new()).await == NonceUse::Again {
                break;
            }
            assert!(number < 1_000, "they never share again");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    #[test]
    fn full_memory_refuses_and_recovers_when_nonces_run_out() {
        let nonces = ProxyNonces::new(SHARDS * 4);
        let uses: Vec<NonceUse> = (0..10_000).map(|number| nonces.note(nonce(number, 10), 0)).collect();
        assert_eq!(uses.iter().filter(|found| **found == NonceUse::First).count(), SHARDS * 4);
        assert!(!uses.contains(&NonceUse::Again));
        let first = uses.iter().position(|found| *found == NonceUse::First).unwrap();
        assert_eq!(nonces.note(nonce(u32::try_from(first).unwrap(), 10), 0), NonceUse::Again);
        assert_eq!(nonces.note(nonce(20_000, 30), 11 * MICROS_PER_SECOND), NonceUse::First);
    }

    proptest! {
        /// Whatever comes when: while a nonce is current, it is the first once.
        #[test]
        fn current_nonce_is_first_once(steps in proptest::collection::vec((0..40_u32, 0..4_i64), 1..400)) {
            let nonces = ProxyNonces::new(1 << 20);
            let (mut now, mut seen) = (0, HashMap::new());
            for (number, pause) in steps {
                now += pause;
                let used = nonces.note(nonce(number, now + 5), now * MICROS_PER_SECOND);
                let current = seen.get(&number).is_some_and(|until| *until >= now);
                prop_assert_eq!(used, if current { NonceUse::Again } else { NonceUse::First });
                if !current {
                    seen.insert(number, now + 5);
                }
            }
        }
    }
}
