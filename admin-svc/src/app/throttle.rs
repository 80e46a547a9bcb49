//! Slows guessing down: after some failures, each further one doubles the wait, per account and per address.
//!
//! An attempt counts as failed when it begins, so that many at a time do not slip through; a success takes that back.
//! The state is this process's alone: with several replicas an attacker has as many tries as there are replicas.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tollgate_shared::clock::UnixMicros;

const FREE_FOR_ACCOUNT: u32 = 5;
/// Many people may share an address.
const FREE_FOR_ADDRESS: u32 = 20;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Failures are forgotten after this time without another.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);
/// Bounds the memory; beyond it the entry that failed longest ago goes.
const MOST_ENTRIES: usize = 20_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Account(String),
    Address(String),
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last: UnixMicros,
    blocked_until: UnixMicros,
}

/// Counts failures; see the module.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<Subject, Failures>>);

/// An attempt that was let in. Counts as failed unless [`Throttle::succeeded`] gets it.
#[derive(Debug)]
pub(super) struct Attempt {
    subjects: Vec<Subject>,
}

impl Throttle {
    /// `account` absent: only the address is known (set-up, registration). The error is the seconds to wait.
    pub(super) fn admit(&self, account: Option<&str>, address: &str, now: UnixMicros) -> Result<Attempt, u64> {
        let mut subjects = vec![Subject::Address(network_of(address))];
        subjects.extend(account.map(|account| Subject::Account(account.to_owned())));
        let mut entries = self.0.lock();
        for subject in &subjects {
            let blocked_until = entries.get(subject).map_or(0, |failures| failures.blocked_until);
            if blocked_until > now {
                let seconds = (blocked_until - now + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND;
                return Err(u64::try_from(seconds).unwrap_or(1));
            }
        }
        for subject in &subjects {
            make_room(&mut entries, now);
            count_failure(entries.entry(subject.clone()).or_default(), subject, now);
        }
        Ok(Attempt { subjects })
    }

    pub(super) fn succeeded(&self, attempt: Attempt) {
        let mut entries = self.0.lock();
        for subject in attempt.subjects {
            match subject {
                Subject::Account(_) => drop(entries.remove(&subject)),
                // Somebody with an account must not be able to reset the count of an address by signing in.
                Subject::Address(_) => {
                    if let Some(failures) = entries.get_mut(&subject) {
                        failures.count = failures.count.saturating_sub(1);
                        failures.blocked_until = 0;
                    }
                }
            }
        }
    }
}

fn count_failure(failures: &mut Failures, subject: &Subject, now: UnixMicros) {
    if now - failures.last > micros(FORGOTTEN_AFTER) {
        *failures = Failures::default();
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
    let free = match subject {
        Subject::Account(_) => FREE_FOR_ACCOUNT,
        Subject::Address(_) => FREE_FOR_ADDRESS,
    };
    if let Some(beyond) = failures.count.checked_sub(free) {
        let wait = FIRST_WAIT.saturating_mul(1 << beyond.min(20)).min(LONGEST_WAIT);
        failures.blocked_until = now + micros(wait);
    }
}

fn make_room(entries: &mut HashMap<Subject, Failures>, now: UnixMicros) {
    if entries.len() < MOST_ENTRIES {
        return;
    }
    entries.retain(|_, failures| now - failures.last <= micros(FORGOTTEN_AFTER));
    if entries.len() >= MOST_ENTRIES
        && let Some(oldest) =
            entries.iter().min_by_key(|(_, failures)| failures.last).map(|(subject, _)| subject.clone())
    {
        entries.remove(&oldest);
    }
}

/// Whoever has one IPv6 address has its whole /64.
fn network_of(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
