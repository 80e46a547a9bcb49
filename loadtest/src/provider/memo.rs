//! Plans of requests that come again and again, as in a measurement.
//!
//! A plan depends on nothing but the request's bytes, its protocol and whose credential it was
//! (ids of one account are unknown to another), so these are the key, compared in full.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::incoming::Incoming;
use super::plan::{Plan, Protocol};

/// Above these everything is forgotten: the memo serves repetition, not history.
const MAX_PLANS: usize = 512;
const MAX_BYTES: usize = 32 << 20;
/// Hashing more than the ends of a body costs more than a rare collision.
const HASHED_BYTES: usize = 2048;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    hasher: RandomState,
    plans: Mutex<Plans>,
}

#[derive(Debug, Default)]
struct Plans {
    by_hash: HashMap<u64, (Key, Arc<Plan>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Key {
    protocol: Protocol,
    owner: u32,
    target: Box<str>,
    content_type: Box<str>,
    body: Bytes,
}

impl Key {
    fn is(&self, protocol: Protocol, owner: u32, incoming: &Incoming) -> bool {
        self.protocol == protocol
            && self.owner == owner
            && *self.target == *incoming.target()
            && *self.content_type == *incoming.header("content-type").unwrap_or_default()
            && self.body == incoming.body
    }
}

impl Memo {
    fn hash(&self, protocol: Protocol, owner: u32, incoming: &Incoming) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let body = &incoming.body;
        (protocol, owner, incoming.target(), body.len()).hash(&mut hasher);
        if body.len() <= 2 * HASHED_BYTES {
            hasher.write(body);
        } else {
            hasher.write(&body[..HASHED_BYTES]);
            hasher.write(&body[body.len() - HASHED_BYTES..]);
        }
        hasher.finish()
    }

    /// The plan for this request: the kept one, or a new one.
    pub(crate) fn plan(
        &self,
        protocol: Protocol,
        owner: u32,
        incoming: &Incoming,
        make: impl FnOnce() -> Plan,
    ) -> Arc<Plan> {
        let hash = self.hash(protocol, owner, incoming);
        if let Some((key, plan)) = self.plans.lock().by_hash.get(&hash)
            && key.is(protocol, owner, incoming)
        {
            return Arc::clone(plan);
        }
        let plan = Arc::new(make());
        let key = Key {
            protocol,
            owner,
            target: incoming.target().into(),
            content_type: incoming.header("content-type").unwrap_or_default().into(),
            body: Bytes::copy_from_slice(&incoming.body),
        };
        let mut plans = self.plans.lock();
        if plans.by_hash.len() >= MAX_PLANS || plans.bytes > MAX_BYTES {
            *plans = Plans::default();
        }
        plans.bytes += incoming.body.len() + 4096;
        plans.by_hash.insert(hash, (key, Arc::clone(&plan)));
        plan
    }
}
