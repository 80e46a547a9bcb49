//! A second level behind the memory: a store of bytes that several proxies share.
//!
//! The store is handed keys that tell nothing and values that only the proxies of one control plane can read or make:
//! AES-256-GCM, bound to the key, so that no value can be moved to another one. It is a help and no need: asked only by
//! the one request that would go to a provider, not waited for longer than [`PATIENCE`], and every failure is a miss.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tollgate_shared::clock::UnixMicros;

use super::{
    entry::Entry,
    key::{CacheKey, EntryKey},
};
use crate::report::{Tokens, UsageSource};

/// A store in the same network answers in a fraction of it.
const PATIENCE: Duration = Duration::from_millis(50);
/// Values on their way to the store; when it cannot take so many, more are not offered to it.
const MOST_WRITES: usize = 64;

/// Keeps bytes for a time.
#[async_trait]
pub trait SharedStore: Send + Sync {
    /// Nothing also when the store cannot be asked.
    async fn get(&self, key: &[u8; 32]) -> Option<Vec<u8>>;
    /// As good as it can be done: nobody waits for it.
    async fn put(&self, key: &[u8; 32], value: Vec<u8>, ttl: Duration);
}

/// The store, and what writes to it.
pub(super) struct Shared {
    store: Arc<dyn SharedStore>,
    writes: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Shared {
    /// `tasks` owns what is on its way to the store.
    pub(super) fn new(store: Arc<dyn SharedStore>, tasks: TaskTracker) -> Self {
        Self { store, writes: Arc::new(Semaphore::new(MOST_WRITES)), tasks }
    }

    pub(super) async fn get(&self, secret: &CacheKey, key: &EntryKey) -> Option<Entry> {
        let sealed = tokio::time::timeout(PATIENCE, self.store.get(key.as_bytes())).await.ok()??;
        decode(secret.open(key, sealed)?)
    }

    pub(super) fn put(&self, secret: &CacheKey, key: EntryKey, entry: &Entry, ttl: Duration) {
        let Ok(permit) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        let Some(sealed) = encode(entry).and_then(|plain| secret.seal(&key, plain)) else { return };
        let store = Arc::clone(&self.store);
        self.tasks.spawn(async move {
            store.put(key.as_bytes(), sealed, ttl).await;
            drop(permit);
        });
    }
}

/// All of an answer but its body.
#[derive(Serialize, Deserialize)]
struct Head {
    stored_at: UnixMicros,
    headers: Vec<(String, Vec<u8>)>,
    is_stream: bool,
    model: String,
    usage: Option<Usage>,
}

#[derive(Serialize, Deserialize)]
struct Usage {
    /// In the order of the fields of [`Tokens`].
    figures: [u64; 9],
    /// Whether the provider told them.
    is_told: bool,
    raw: Option<String>,
}

/// The head's length, the head, the body.
fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let Entry { stored_at, headers, is_stream, body, model, usage } = entry;
    let head = Head {
        stored_at: *stored_at,
        headers: headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
        is_stream: *is_stream,
        model: model.to_string(),
        usage: usage.as_ref().map(Usage::from),
    };
    let head = serde_json::to_vec(&head).ok()?;
    let length = u32::try_from(head.len()).ok()?;
    Some([&length.to_le_bytes()[..], &head, body].concat())
}

fn decode(plain: Vec<u8>) -> Option<Entry> {
    let (length, rest) = plain.split_first_chunk()?;
    let (head, _) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let Head { stored_at, headers, is_stream, model, usage } = serde_json::from_slice(head).ok()?;
    let body_at = plain.len() - rest.len() + head.len();
    let header = |(name, value): (String, Vec<u8>)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?))
    };
    Some(Entry {
        stored_at,
        headers: headers.into_iter().map(header).collect::<Option<_>>()?,
        is_stream,
        model: model.into(),
        usage: usage.map(Tokens::from),
        body: Bytes::from(plain).slice(body_at..),
    })
}

impl From<&Tokens> for Usage {
    fn from(tokens: &Tokens) -> Self {
        let Tokens {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            input_image,
            source,
            raw,
        } = tokens;
        let prompt = [*input_uncached, *cache_read, *cache_write_5m, *cache_write_1h];
        let [uncached, read, short, long] = prompt;
        Self {
            figures: [uncached, read, short, long, *output, *reasoning, *input_audio, *output_audio, *input_image],
            is_told: *source == UsageSource::Provider,
            raw: raw.as_deref().map(str::to_owned),
        }
    }
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let Usage { figures, is_told, raw } = usage;
        let [input_uncached, cache_read, cache_write_5m, cache_write_1h, output, reasoning, more @ ..] = figures;
        let [input_audio, output_audio, input_image] = more;
        Self {
            input_uncached,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            input_audio,
            output_audio,
            input_image,
            // What is partial is not kept.
            source: if is_told { UsageSource::Provider } else { UsageSource::Estimated },
            raw: raw.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{cache::key::tests::numbered, report::samples};
    use tollgate_shared::access_key::Pepper;

    fn entry() -> impl Strategy<Value = Entry> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
        (any::<i64>(), ".{0,9}", any::<bool>(), bytes(), ".{0,9}", proptest::option::of(samples::tokens())).prop_map(
            |(stored_at, value, is_stream, body, model, usage)| {
                let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("x"));
                let headers = vec![(http::header::CONTENT_TYPE, value)];
                let mut usage = usage;
                if let Some(usage) = &mut usage
                    && usage.source == UsageSource::Partial
                {
                    usage.source = UsageSource::Provider;
                }
                Entry { stored_at, headers, is_stream, body: body.into(), model: model.into(), usage }
            },
        )
    }

    fn secret(pepper: u8) -> CacheKey {
        CacheKey::derive(&Pepper::new(&[pepper; 32]))
    }

    proptest! {
        #[test]
        fn an_answer_comes_back_as_it_was(entry in entry()) {
            let sealed = secret(1).seal(&numbered(1), encode(&entry).unwrap()).unwrap();
            prop_assert_eq!(decode(secret(1).open(&numbered(1), sealed).unwrap()), Some(entry));
        }

        #[test]
        fn whatever_the_store_returns_is_an_answer_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(secret(1).open(&numbered(1), bytes.clone()).is_none());
            let _ = decode(bytes);
        }
    }

    #[test]
    fn only_the_same_key_under_the_same_secret_opens_it() {
        let sealed = secret(1).seal(&numbered(1), b"answer".to_vec()).unwrap();
        assert_eq!(secret(1).open(&numbered(1), sealed.clone()).as_deref(), Some(&b"answer"[..]));
        assert_eq!(secret(1).open(&numbered(2), sealed.clone()), None);
        assert_eq!(secret(2).open(&numbered(1), sealed.clone()), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(secret(1).open(&numbered(1), changed), None, "byte {at}");
        }
    }
}
