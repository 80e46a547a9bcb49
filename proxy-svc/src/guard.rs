//! What stands before everything else a request asks for: who the client is, how often it comes, how often it was
//! wrong. Cheap on purpose: it is what holds under an attack, so it takes no lock, allocates nothing for a request that
//! passes, and its memory is bounded whoever calls.
//!
//! Rates are counted by client address, not by key, because it runs before keys are looked at. Failures are
//! counted beside good requests and never against them: many users may share an address.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderMap;
use pingora::http::RequestHeader;
use tollgate_dialect::error::ErrorKind;
use tollgate_shared::clock::UnixMicros;

pub(crate) mod connections;
mod ledger;
pub(crate) mod memory;

use connections::{ConnectionCounts, CountedConnection, TooMany};
use ledger::{ClientHasher, Ledger};
use memory::MemoryWatermark;

use crate::{
    admit::signature::{NonceStore, ProxyNonces, SharedNonces},
    authenticate::{self, Authenticated, Tokens, VerifiedTokens},
    client::{Client, TrustedProxies},
    limits::shared::Shared,
    respond::Refusal,
    snapshot::Snapshot,
    telemetry::Metrics,
};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// How long the wait of somebody who presents bad keys can grow; from then on the connection is closed, too.
const LONGEST_WAIT_MICROS: i64 = 10 * MICROS_PER_MINUTE;
/// Of an address that is throttled, a token that is new here is verified so often: ten times a second.
const VERIFICATION_MICROS: i64 = MICROS_PER_SECOND / 10;
/// Bad keys come in floods; a line of log for each would be another attack.
const LOG_EVERY_MICROS: i64 = 10 * MICROS_PER_SECOND;

/// What of the configuration concerns the guard. 0 = no limit.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub trusted_proxies: TrustedProxies,
    pub connections_per_address: u64,
    pub requests_per_second_per_address: u32,
    pub bad_keys_per_minute_per_address: u32,
    pub signature_nonces: usize,
    /// Bytes in use above which requests are turned away.
    pub memory_watermark: Option<u64>,
}

/// One for the process.
pub(crate) struct Guard {
    trusted_proxies: TrustedProxies,
    hasher: ClientHasher,
    connections: Option<ConnectionCounts>,
    requests: Option<RequestRate>,
    bad_keys: Option<BadKeys>,
    tokens: VerifiedTokens,
    nonces: Box<dyn NonceStore>,
    memory: Option<Arc<MemoryWatermark>>,
    metrics: Arc<Metrics>,
}

struct RequestRate {
    ledger: Ledger,
    micros_each: i64,
}

struct BadKeys {
    ledger: Ledger,
    /// Of addresses that are throttled.
    verifications: Ledger,
    micros_each: i64,
    logged_at: AtomicI64,
}

/// Above this, callers beyond the first few are turned away when memory is short: so few cannot be what fills it, and
/// memory that is never given back must not end the service.
const SERVED_WHATEVER_MEMORY: usize = 8;

impl Guard {
    /// `shared`: where proxies remember nonces together.
    pub(crate) fn new(settings: Settings, shared: Option<Arc<Shared>>, metrics: Arc<Metrics>) -> Self {
        let Settings {
            trusted_proxies,
            connections_per_address,
            requests_per_second_per_address,
            bad_keys_per_minute_per_address,
            signature_nonces,
            memory_watermark,
        } = settings;
        let rate = |count: u32, micros: i64| (count > 0).then(|| (Ledger::default(), micros / i64::from(count)));
        let requests = rate(requests_per_second_per_address, MICROS_PER_SECOND);
        let bad_keys = rate(bad_keys_per_minute_per_address, MICROS_PER_MINUTE);
        Self {
            trusted_proxies,
            hasher: ClientHasher::default(),
            connections: (connections_per_address > 0).then(|| ConnectionCounts::new(connections_per_address)),
            requests: requests.map(|(ledger, micros_each)| RequestRate { ledger, micros_each }),
            bad_keys: bad_keys.map(|(ledger, micros_each)| BadKeys {
                ledger,
                verifications: Ledger::default(),
                micros_each,
                logged_at: AtomicI64::new(i64::MIN),
            }),
            tokens: VerifiedTokens::default(),
            nonces: match shared {
                Some(shared) => Box::new(SharedNonces::new(ProxyNonces::new(signature_nonces), shared)),
                None => Box::new(ProxyNonces::new(signature_nonces)),
            },
            memory: memory_watermark.map(|bytes| Arc::new(MemoryWatermark::new(bytes))),
            metrics,
        }
    }

    /// What watches the memory, if anything does: to be run beside the requests.
    pub(crate) fn memory(&self) -> Option<Arc<MemoryWatermark>> {
        self.memory.clone()
    }

    /// Counts a client's connection. Those of trusted proxies are not counted: they carry many clients.
    pub(crate) fn connected(&self, peer: Option<IpAddr>) -> Result<Option<CountedConnection>, TooMany> {
        let (Some(counts), Some(peer)) = (&self.connections, peer) else { return Ok(None) };
        if self.trusted_proxies.trust(peer) {
            return Ok(None);
        }
        let counted = counts.open(self.hasher.hash(peer));
        if counted.is_err() {
            self.metrics.protection.connections_refused.add(1);
        }
        counted.map(Some)
    }

    /// Whether a client's word on whose connection it is counts.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.trusted_proxies.trust(peer))
    }

    pub(crate) fn proxy_header_refused(&self) {
        self.metrics.protection.proxy_headers_refused.add(1);
    }

    /// Who calls, if it may call now. `in_flight`: requests in work.
    pub(crate) fn enter(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        in_flight: usize,
        now: UnixMicros,
    ) -> Result<Client, Refusal> {
        if in_flight > SERVED_WHATEVER_MEMORY && self.memory.as_ref().is_some_and(|memory| memory.is_exceeded()) {
            self.metrics.protection.shed_for_memory.add(1);
            return Err(Refusal::memory_short());
        }
        let client = self.trusted_proxies.client(peer, headers);
        if let (Some(rate), Some(address)) = (&self.requests, client.address) {
            // One second's worth at once.
            let spent = rate.ledger.spend(self.hasher.hash(address), now, rate.micros_each, MICROS_PER_SECOND);
            spent.map_err(|wait| {
                self.metrics.protection.requests_refused.add(1);
                Refusal::address_too_fast(duration(wait))
            })?;
        }
        Ok(client)
    }

    pub(crate) fn authenticate<'a>(
        &self,
        client: Client,
        snapshot: &Snapshot,
        header: &'a RequestHeader,
        now: UnixMicros,
    ) -> Result<Authenticated<'a>, Refusal> {
        let (headers, query) = (&header.headers, header.uri.query());
        let tokens = Tokens { verified: &self.tokens, may_verify: &|| self.may_verify(client, now) };
        authenticate::authenticate(snapshot, tokens, headers, query, now)
            .map_err(|refusal| self.failed(client, refusal, now))
    }

    /// Whether the signature of a token that is new here is checked: that costs as much as many whole requests. Where too
    /// many bad keys come from, only some are, so that good ones that come from there too still find in.
    fn may_verify(&self, client: Client, now: UnixMicros) -> Result<(), Refusal> {
        let (Some(bad_keys), Some(address)) = (&self.bad_keys, client.address) else { return Ok(()) };
        let client = self.hasher.hash(address);
        if bad_keys.ledger.debt(client, now) <= MICROS_PER_MINUTE {
            return Ok(());
        }
        let spent = bad_keys.verifications.spend(client, now, VERIFICATION_MICROS, MICROS_PER_SECOND);
        spent.map_err(|wait| {
            self.metrics.protection.tokens_unverified.add(1);
            Refusal::access_token_unverified(duration(wait))
        })
    }

    /// Only guesses count: a key that was revoked or has expired was once good, and a missing one is no guess.
    fn failed(&self, client: Client, refusal: Refusal, now: UnixMicros) -> Refusal {
        let (Some(bad_keys), Some(address)) = (&self.bad_keys, client.address) else { return refusal };
        if refusal.kind != ErrorKind::InvalidCredential {
            return refusal;
        }
        self.metrics.protection.bad_keys.add(1);
        let (cost, most) = (bad_keys.micros_each, MICROS_PER_MINUTE + LONGEST_WAIT_MICROS);
        let debt = bad_keys.ledger.owe(self.hasher.hash(address), now, cost, most);
        let wait = debt - MICROS_PER_MINUTE;
        if wait <= 0 {
            return refusal;
        }
        self.metrics.protection.bad_keys_throttled.add(1);
        bad_keys.log(address, now);
        let refusal = Refusal::too_many_bad_keys(duration(wait));
        // A trusted proxy's connection carries the requests of others.
        if wait >= LONGEST_WAIT_MICROS - cost && !client.shares_connection { refusal.closing() } else { refusal }
    }

    /// Where it is noted which signed requests came.
    pub(crate) fn nonces(&self) -> &dyn NonceStore {
        &*self.nonces
    }
}

impl BadKeys {
    fn log(&self, address: IpAddr, now: UnixMicros) {
        let logged_at = self.logged_at.load(Relaxed);
        let due = now.saturating_sub(logged_at) >= LOG_EVERY_MICROS;
        if due && self.logged_at.compare_exchange(logged_at, now, Relaxed, Relaxed).is_ok() {
            tracing::warn!(client.address = %address, "bad access keys are throttled; the metrics count them all");
        }
    }
}

/// A wait is above 0; the next request would come too early otherwise.
fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests;
