use super::*;
use crate::snapshot::fixture;

const NOW: UnixMicros = 1_700_000_000_000_000;

fn guard(change: impl FnOnce(&mut Settings)) -> Guard {
    let mut settings = Settings {
        trusted_proxies: TrustedProxies::parse("10.0.0.0/8").unwrap(),
        connections_per_address: 0,
        requests_per_second_per_address: 0,
        bad_keys_per_minute_per_address: 0,
        signature_nonces: 1000,
        memory_watermark: None,
    };
    change(&mut settings);
    Guard::new(settings, None, Arc::default())
}

fn client(address: &str) -> Client {
    Client { address: Some(address.parse().unwrap()), shares_connection: false }
}

/// Presents a key that nobody has.
fn guess(guard: &Guard, client: Client, now: UnixMicros) -> Refusal {
    let mut header = RequestHeader::build("POST", b"/v1/chat/completions", None).unwrap();
    header.insert_header("authorization", "Bearer tg_guessed").unwrap();
    guard.authenticate(client, &fixture::snapshot_with_token_keys(&[]), &header, now).err().unwrap()
}

#[test]
fn guesses_are_throttled_with_a_growing_wait() {
    let guard = guard(|settings| settings.bad_keys_per_minute_per_address = 30);
    let one = client("192.0.2.1");
    for _ in 0..30 {
        assert_eq!(guess(&guard, one, NOW).kind, ErrorKind::InvalidCredential);
    }
    let waits: Vec<_> = (0..3).map(|_| guess(&guard, one, NOW).retry_after().unwrap().as_secs()).collect();
    assert_eq!(waits, [2, 4, 6]);
    assert_eq!(guess(&guard, client("192.0.2.2"), NOW).kind, ErrorKind::InvalidCredential);
    // Paid off after a while.
    assert_eq!(guess(&guard, one, NOW + 10 * MICROS_PER_SECOND).kind, ErrorKind::InvalidCredential);
    assert_eq!(guess(&guard, one, NOW + 10 * MICROS_PER_SECOND).kind, ErrorKind::InvalidCredential);
    assert_eq!(guess(&guard, one, NOW + 10 * MICROS_PER_SECOND).kind, ErrorKind::RateLimited);
    assert_eq!(guard.metrics.protection.bad_keys.get(), 37);
    assert_eq!(guard.metrics.protection.bad_keys_throttled.get(), 4);
}

#[test]
fn new_tokens_of_a_throttled_address_are_verified_ten_times_a_second() {
    let guard = guard(|settings| settings.bad_keys_per_minute_per_address = 30);
    let one = client("192.0.2.1");
    let verified = |now| (0..100).filter(|_| guard.may_verify(one, now).is_ok()).count();
    assert_eq!(verified(NOW), 100);
    for _ in 0..40 {
        guess(&guard, one, NOW);
    }
    assert_eq!((verified(NOW), verified(NOW)), (10, 0));
    assert_eq!(verified(NOW + MICROS_PER_SECOND / 2), 5);
    assert!(guard.may_verify(client("192.0.2.2"), NOW).is_ok());
    let wait = guard.may_verify(one, NOW + MICROS_PER_SECOND / 2).unwrap_err().retry_after().unwrap();
    assert_eq!(wait, Duration::from_millis(100));
    assert_eq!(guard.metrics.protection.tokens_unverified.get(), 90 + 100 + 95 + 1);
    // Paid off after a while.
    assert_eq!(verified(NOW + MICROS_PER_MINUTE), 100);
}

#[test]
fn flood_of_guesses_loses_its_connection_unless_others_share_it() {
    let guard = guard(|settings| settings.bad_keys_per_minute_per_address = 30);
    let shared = Client { shares_connection: true, ..client("192.0.2.1") };
    let last = (0..1000).map(|_| guess(&guard, client("192.0.2.1"), NOW)).last().unwrap();
    assert!(last.closes_connection());
    assert_eq!(last.retry_after(), Some(Duration::from_mins(10)));
    assert!(!guess(&guard, shared, NOW).closes_connection());
}

#[test]
fn requests_of_an_address_are_limited_whoever_forwards_them() {
    let guard = guard(|settings| settings.requests_per_second_per_address = 10);
    let headers = |client: &str| HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), client.parse().unwrap())]);
    let enter = |peer: &str, client: &str, now| guard.enter(Some(peer.parse().unwrap()), &headers(client), 1, now);
    for _ in 0..10 {
        let found = enter("10.0.0.1", "192.0.2.1", NOW).unwrap();
        assert_eq!(found, Client { shares_connection: true, ..client("192.0.2.1") });
    }
    let refusal = enter("10.0.0.1", "192.0.2.1", NOW).unwrap_err();
    assert_eq!((refusal.kind, refusal.retry_after()), (ErrorKind::RateLimited, Some(Duration::from_millis(100))));
    // The same client without the proxy, and somebody who says to be another.
    assert!(enter("192.0.2.1", "192.0.2.2", NOW).is_err());
    assert!(enter("10.0.0.1", "192.0.2.2", NOW).is_ok());
    assert!(enter("192.0.2.1", "", NOW + 100_000).is_ok());
    assert_eq!(guard.metrics.protection.requests_refused.get(), 2);
}

#[test]
fn connections_of_trusted_proxies_are_not_counted() {
    let guard = guard(|settings| settings.connections_per_address = 1);
    let connect = |peer: &str| guard.connected(Some(peer.parse().unwrap()));
    let _kept = connect("192.0.2.1").unwrap();
    assert!(connect("192.0.2.1").is_err());
    let _proxies: Vec<_> = (0..10).map(|_| connect("10.0.0.1").unwrap()).collect();
    assert_eq!(guard.metrics.protection.connections_refused.get(), 1);
}
