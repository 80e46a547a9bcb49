use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use pingora::http::ResponseHeader;
use tokio::task::JoinSet;

use tollgate_shared::access_key::Pepper;

use super::{key::tests::numbered, *};

const TERMS: Terms =
    Terms { max_age_seconds: u64::MAX, ttl_seconds: 60, max_bytes: 1000, wait: Duration::from_mins(1) };

fn cache() -> (Arc<Cache>, Clock) {
    let clock = Clock::held_at(1_700_000_000_000_000);
    let settings = CacheSettings { max_bytes: 1 << 20, wait: TERMS.wait };
    (Arc::new(Cache::new(settings, Duration::from_secs(1), clock.clone())), clock)
}

fn place(number: u8) -> Place {
    Place { key: numbered(number), secret: CacheKey::derive(&Pepper::new(&[1; 32])) }
}

async fn find(cache: &Cache, number: u8, terms: Terms) -> Found<'_> {
    cache.find(place(number), terms, pending()).await
}

/// What the provider says, as it passes the collector.
fn answered(mut collector: Collector<'_>, status: u16, body: &[u8]) {
    let mut header = ResponseHeader::build(status, None).unwrap();
    header.insert_header("content-type", "text/plain").unwrap();
    collector.begin(&header);
    for piece in body.chunks(3) {
        collector.take(piece);
    }
    collector.keep(Some("model"), None);
}

fn body(found: &Found<'_>) -> Option<Vec<u8>> {
    match found {
        Found::Entry(entry) => Some(entry.body.to_vec()),
        Found::Nothing(_) | Found::ClientLeft => None,
    }
}

async fn ask_and_keep(cache: &Cache, number: u8, status: u16, text: &[u8]) {
    let Found::Nothing(collector) = find(cache, number, TERMS).await else { panic!("found") };
    answered(*collector, status, text);
}

#[tokio::test]
async fn an_answer_is_given_again_until_it_is_too_old() {
    let (cache, clock) = cache();
    ask_and_keep(&cache, 1, 200, b"answer").await;
    let found = find(&cache, 1, TERMS).await;
    assert_eq!(body(&found).as_deref(), Some(&b"answer"[..]));
    assert!(body(&find(&cache, 2, TERMS).await).is_none());
    clock.advance(Duration::from_secs(59));
    assert!(body(&find(&cache, 1, TERMS).await).is_some());
    assert!(body(&find(&cache, 1, Terms { max_age_seconds: 58, ..TERMS }).await).is_none());
    // A setting that was made narrower counts at once.
    assert!(body(&find(&cache, 1, Terms { ttl_seconds: 59, ..TERMS }).await).is_none());
    clock.advance(Duration::from_secs(1));
    assert!(body(&find(&cache, 1, TERMS).await).is_none());
    cache.drop_expired();
    assert_eq!(cache.size(), (0, 0));
}

#[tokio::test]
async fn nothing_is_kept_of_errors_and_of_what_is_too_long_or_unfinished() {
    let (cache, _) = cache();
    ask_and_keep(&cache, 1, 400, b"error").await;
    ask_and_keep(&cache, 1, 200, &[b'x'; 1001]).await;
    let Found::Nothing(mut collector) = find(&cache, 1, TERMS).await else { panic!("found") };
    collector.begin(&ResponseHeader::build(200, None).unwrap());
    collector.take(b"half");
    drop(collector);
    let Found::Nothing(mut collector) = find(&cache, 1, TERMS).await else { panic!("found") };
    let mut encoded = ResponseHeader::build(200, None).unwrap();
    encoded.insert_header("content-encoding", "br").unwrap();
    collector.begin(&encoded);
    collector.keep(None, None);
    let Found::Nothing(mut collector) = find(&cache, 1, TERMS).await else { panic!("found") };
    collector.begin(&ResponseHeader::build(200, None).unwrap());
    let partial = crate::report::Tokens { source: crate::report::UsageSource::Partial, ..Default::default() };
    collector.keep(None, Some(&partial));
    assert_eq!((cache.size().0, cache.flights.count()), (0, 0));
    ask_and_keep(&cache, 1, 200, &[b'x'; 1000]).await;
    assert_eq!((cache.size().0, cache.flights.count()), (1, 0));
}

/// What came of so many identical requests at once, of which the first `failing` leaders fail: how often a provider was
/// asked, how many at a time at most, and how many answers came from others.
async fn stampede(requests: usize, failing: usize, status: u16, text: &'static [u8]) -> (usize, usize, usize) {
    let (cache, _) = cache();
    let (asked, now, most) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (cache, asked, now, most) = (Arc::clone(&cache), Arc::clone(&asked), Arc::clone(&now), Arc::clone(&most));
        tasks.spawn(async move {
            match find(&cache, 1, TERMS).await {
                Found::Entry(_) => 1,
                Found::ClientLeft => panic!("nobody left"),
                Found::Nothing(collector) => {
                    let number = asked.fetch_add(1, Ordering::SeqCst);
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    if number >= failing {
                        answered(*collector, status, text);
                    }
                    0
                }
            }
        });
    }
    let hits = tasks.join_all().await.into_iter().sum();
    assert_eq!(cache.flights.count(), 0, "a flight is left behind");
    (asked.load(Ordering::SeqCst), most.load(Ordering::SeqCst), hits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_goes_upstream_for_all_who_ask_the_same() {
    assert_eq!(stampede(200, 0, 200, b"answer").await, (1, 1, 199));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_leader_fails_the_next_one_leads_and_no_other() {
    assert_eq!(stampede(200, 7, 200, b"answer").await, (8, 1, 192));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn errors_are_asked_for_one_at_a_time() {
    assert_eq!(stampede(20, 0, 429, b"slow down").await, (20, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_an_answer_that_cannot_be_kept() {
    let (asked, most, hits) = stampede(20, 0, 200, &[b'x'; 1001]).await;
    assert_eq!((asked, hits), (20, 0));
    assert!(most > 1, "one at a time");
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end_and_the_first_whole_answer_is_everybodys() {
    let (cache, _) = cache();
    let Found::Nothing(leader) = find(&cache, 1, TERMS).await else { panic!("found") };
    let impatient = Terms { wait: Duration::from_secs(1), ..TERMS };
    // The leader hangs: whoever waited long enough asks for itself.
    let Found::Nothing(second) = find(&cache, 1, impatient).await else { panic!("found") };
    let waiting = find(&cache, 1, TERMS);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    answered(*second, 200, b"second");
    assert_eq!(body(&waiting.await).as_deref(), Some(&b"second"[..]));
    answered(*leader, 200, b"first");
    assert_eq!(cache.flights.count(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_waits_no_longer() {
    let (cache, _) = cache();
    let leader = find(&cache, 1, TERMS).await;
    assert!(matches!(cache.find(place(1), TERMS, std::future::ready(())).await, Found::ClientLeft));
    drop(leader);
    assert_eq!(cache.flights.count(), 0);
}

/// A store that two proxies share, and what is asked of it.
#[derive(Default)]
struct Store {
    values: parking_lot::Mutex<std::collections::HashMap<[u8; 32], Vec<u8>>>,
    hangs: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl SharedStore for Store {
    async fn get(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        if self.hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        self.values.lock().get(key).cloned()
    }

    async fn put(&self, key: &[u8; 32], value: Vec<u8>, ttl: Duration) {
        assert_eq!(ttl, Duration::from_mins(1));
        self.values.lock().insert(*key, value);
    }
}

#[tokio::test(start_paused = true)]
async fn proxies_share_answers_that_the_store_cannot_read() {
    let (store, tasks, clock) = (Arc::new(Store::default()), TaskTracker::new(), Clock::held_at(1_700_000_000_000_000));
    let proxy = || {
        let settings = CacheSettings { max_bytes: 1 << 20, wait: TERMS.wait };
        let store: Arc<dyn SharedStore> = Arc::<Store>::clone(&store);
        Cache::new(settings, Duration::from_secs(1), clock.clone()).with_shared(store, tasks.clone())
    };
    ask_and_keep(&proxy(), 1, 200, b"answer").await;
    tasks.close();
    tasks.wait().await;
    assert!(store.values.lock().values().all(|value| memchr::memmem::find(value, b"answer").is_none()));
    let other = proxy();
    clock.advance(Duration::from_secs(30));
    assert_eq!(body(&find(&other, 1, TERMS).await).as_deref(), Some(&b"answer"[..]));
    assert_eq!(other.size().0, 1, "not in memory");
    // The age is that of the answer, wherever it lies.
    clock.advance(Duration::from_secs(30));
    assert!(body(&find(&other, 1, TERMS).await).is_none() && body(&find(&proxy(), 1, TERMS).await).is_none());
    // A store that does not answer costs a moment.
    store.hangs.store(true, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    assert!(body(&find(&proxy(), 1, TERMS).await).is_none());
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}
