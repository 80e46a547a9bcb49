//! What each client address owes, in a table of fixed size: the counters of rates and of failures.
//!
//! An address has one figure, the moment up to which its use is paid for (GCRA's theoretical arrival time), so a look-up
//! is a hash, a cache line and a compare-and-swap; there is no lock and no allocation. IPv6 clients are counted by /64,
//! because whoever has one address of it has all. When an address finds no room, it takes the place of the one that owes
//! least among those of its line, usually one that owes nothing; nothing else is lost. Two addresses that change a line
//! at the same moment may cost each other one request.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use tollgate_shared::clock::UnixMicros;

/// 64 KiB addresses in one mebibyte.
const LINES: usize = 16 * 1024;
const WAYS: usize = 4;

/// Which client, for counting: a hash under a key of this process, so that nobody can choose whose line they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHash(u64);

/// Makes [`ClientHash`]es.
#[derive(Debug, Default)]
pub(crate) struct ClientHasher(RandomState);

impl ClientHasher {
    pub(crate) fn hash(&self, address: IpAddr) -> ClientHash {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => (4, u64::from(address.to_bits())),
            IpAddr::V6(address) => (6, u64::try_from(address.to_bits() >> 64).unwrap_or_default()),
        };
        ClientHash(self.0.hash_one(network).max(1))
    }
}

impl ClientHash {
    /// Its line among `lines`, a power of two, and what tells it apart there.
    pub(super) const fn split(self, lines: usize) -> (usize, u64) {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose a line")]
        let line = self.0 as usize & (lines - 1);
        (line, self.0)
    }
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([Slot; WAYS]);

#[derive(Debug, Default)]
struct Slot {
    /// A [`ClientHash`]; 0 = nobody.
    client: AtomicU64,
    paid_until: AtomicI64,
}

/// Debts, in microseconds, that time pays off.
#[derive(Debug)]
pub(crate) struct Ledger(Box<[Line]>);

impl Default for Ledger {
    fn default() -> Self {
        Self(std::iter::repeat_with(Line::default).take(LINES).collect())
    }
}

impl Ledger {
    /// Adds `cost` unless the debt would then exceed `allowance`; else returns how long it takes until it would not.
    pub(crate) fn spend(&self, client: ClientHash, now: UnixMicros, cost: i64, allowance: i64) -> Result<(), i64> {
        let slot = self.slot(client, now);
        let mut paid_until = slot.paid_until.load(Relaxed);
        loop {
            let next = paid_until.max(now) + cost;
            if next - now > allowance {
                return Err(next - now - allowance);
            }
            match slot.paid_until.compare_exchange_weak(paid_until, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => paid_until = found,
            }
        }
    }

    /// Adds `cost` whatever the debt is, up to `most`. Returns the debt.
    pub(crate) fn owe(&self, client: ClientHash, now: UnixMicros, cost: i64, most: i64) -> i64 {
        let slot = self.slot(client, now);
        let raise = |paid_until: i64| (paid_until.max(now) + cost).min(now + most);
        let before = slot.paid_until.fetch_update(Relaxed, Relaxed, |paid_until| Some(raise(paid_until)));
        before.map_or(0, raise) - now
    }

    /// The debt as it is.
    pub(crate) fn debt(&self, client: ClientHash, now: UnixMicros) -> i64 {
        let (line, tag) = client.split(self.0.len());
        let Line(slots) = &self.0[line];
        let found = slots.iter().find(|slot| slot.client.load(Relaxed) == tag);
        found.map_or(0, |slot| (slot.paid_until.load(Relaxed) - now).max(0))
    }

    fn slot(&self, client: ClientHash, now: UnixMicros) -> &Slot {
        let (line, tag) = client.split(self.0.len());
        let Line(slots) = &self.0[line];
        if let Some(found) = slots.iter().find(|slot| slot.client.load(Relaxed) == tag) {
            return found;
        }
        let least = slots.iter().min_by_key(|slot| slot.paid_until.load(Relaxed)).unwrap_or(&slots[0]);
        least.client.store(tag, Relaxed);
        least.paid_until.store(now, Relaxed);
        least
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(number: u64) -> ClientHash {
        ClientHash(number)
    }

    #[test]
    fn burst_then_one_by_one() {
        let ledger = Ledger::default();
        // Ten a second, five at once.
        let spend = |now| ledger.spend(client(1), now, 100_000, 500_000);
        assert!((0..5).all(|_| spend(1_000_000).is_ok()));
        assert_eq!(spend(1_000_000), Err(100_000));
        assert_eq!(spend(1_050_000), Err(50_000));
        assert_eq!(spend(1_100_000), Ok(()));
        assert_eq!(spend(1_100_000), Err(100_000));
        assert!((0..5).all(|_| spend(9_000_000).is_ok()));
        assert!(spend(9_000_000).is_err());
    }

    #[test]
    fn debts_grow_up_to_the_most_and_time_pays_them() {
        let ledger = Ledger::default();
        assert_eq!(ledger.owe(client(1), 0, 10, 25), 10);
        assert_eq!(ledger.owe(client(1), 0, 10, 25), 20);
        assert_eq!(ledger.owe(client(1), 0, 10, 25), 25);
        assert_eq!(ledger.owe(client(1), 20, 10, 25), 15);
        assert_eq!(ledger.owe(client(2), 20, 10, 25), 10);
    }

    #[test]
    fn strangers_push_out_who_owes_least() {
        let ledger = Ledger::default();
        let of_line_0 = |number: usize| client((number * LINES) as u64);
        ledger.owe(of_line_0(1), 0, 1000, 10_000);
        for number in 2..100 {
            ledger.owe(of_line_0(number), 0, 1, 10_000);
        }
        assert_eq!(ledger.owe(of_line_0(1), 0, 1000, 10_000), 2000);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let hasher = ClientHasher::default();
        let hash = |text: &str| hasher.hash(text.parse().unwrap());
        assert_eq!(hash("2001:db8::1"), hash("2001:db8::ffff:1"));
        assert_ne!(hash("2001:db8::1"), hash("2001:db8:0:1::1"));
        assert_ne!(hash("192.0.2.1"), hash("192.0.2.2"));
        assert_eq!(hash("192.0.2.1"), hash("::ffff:192.0.2.1"));
    }

    proptest! {
        /// Whenever requests come: over any span, no more pass than the burst and what the rate gives in it.
        #[test]
        fn no_more_than_burst_and_rate(pauses in proptest::collection::vec(0..300_i64, 1..300)) {
            let ledger = Ledger::default();
            let (mut now, mut passed) = (0, Vec::new());
            for pause in pauses {
                now += pause;
                if ledger.spend(client(1), now, 100, 500).is_ok() {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (count, to) in (1_i64..).zip(&passed[first..]) {
                    prop_assert!(count <= 5 + (to - from) / 100 + 1);
                }
            }
        }
    }

    #[test]
    fn threads_do_not_lose_each_others_debts() {
        let ledger = Ledger::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).map(|_| ledger.owe(client(7), 0, 1, 1 << 40)).max());
            }
        });
        assert_eq!(ledger.owe(client(7), 0, 0, 1 << 40), 4000);
    }
}
