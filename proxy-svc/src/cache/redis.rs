//! Kept answers in Redis, for all proxies of a control plane.
//!
//! Connections of its own: an answer may be long, and the questions about limits must not wait behind it. Redis being
//! slow or away costs a request [`PATIENCE`] at most, and then nobody asks for [`REST`].

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use deadpool_redis::{Manager, Pool, Runtime, redis};
use tollgate_shared::secret::Secret;

use super::SharedStore;
use crate::limits::shared::BadUrl;

/// For a connection and an answer.
const PATIENCE: Duration = Duration::from_millis(40);
/// After a question that was not answered.
const REST: Duration = Duration::from_secs(5);
/// Answers on their way at the same time; more wait, within their patience.
const CONNECTIONS: usize = 8;
/// A longer answer would not come back within the patience; each proxy keeps it by itself.
const LARGEST: usize = 256 << 10;
/// Writing waits for nobody.
const WRITING: Duration = Duration::from_secs(2);

/// The answers that proxies share.
pub struct RedisAnswers {
    pool: Pool,
    began: Instant,
    /// Milliseconds since `began`.
    rests_until: AtomicU64,
}

impl RedisAnswers {
    /// Opens nothing yet. `url` may hold a password and is never shown.
    pub fn new(url: &Secret) -> Result<Self, BadUrl> {
        let manager = Manager::new(url.expose()).map_err(|_| BadUrl)?;
        let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1).build().map_err(|_| BadUrl)?;
        Ok(Self { pool, began: Instant::now(), rests_until: AtomicU64::new(0) })
    }

    /// `None` when there is no answer in time.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd, patience: Duration) -> Option<T> {
        let now = millis(self.began.elapsed());
        if now < self.rests_until.load(Relaxed) {
            return None;
        }
        let asked = async { command.query_async(&mut self.pool.get().await.ok()?).await.ok() };
        tokio::time::timeout(patience, asked).await.ok().flatten()
    }

    fn rest(&self) {
        self.rests_until.store(millis(self.began.elapsed() + REST), Relaxed);
    }
}

#[async_trait]
impl SharedStore for RedisAnswers {
    async fn get(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let command = redis::Cmd::get(name(key));
        let answer = self.ask::<Option<Vec<u8>>>(&command, PATIENCE).await;
        if answer.is_none() {
            self.rest();
        }
        answer.flatten()
    }

    async fn put(&self, key: &[u8; 32], value: Vec<u8>, ttl: Duration) {
        if value.len() > LARGEST {
            return;
        }
        let command = redis::Cmd::pset_ex(name(key), value, millis(ttl).max(1));
        self.ask::<()>(&command, WRITING).await;
    }
}

fn name(key: &[u8; 32]) -> Vec<u8> {
    [b"tollgate:answer:", &key[..]].concat()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
