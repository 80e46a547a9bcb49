//! [`Principal`] → [`Permit`]: may this caller, from this address, now? Before the body is read.

mod ip;
pub(crate) mod signature;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{authenticate::Principal, respond::Refusal};

/// Counts the requests under way, over the whole process.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    now: Arc<AtomicUsize>,
    most: usize,
}

/// Leave to go on; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    in_flight: Arc<AtomicUsize>,
}

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self { now: Arc::default(), most }
    }

    pub(crate) fn count(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// The cheapest refusal comes first: it is asked before the caller is even known.
    pub(crate) fn enter(&self) -> Result<Permit, Refusal> {
        let permit = Permit { in_flight: Arc::clone(&self.now) };
        if self.now.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(Refusal::too_many_requests_in_flight());
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the caller's address may use this key and its service.
pub(crate) fn by_address(principal: &Principal, client: Option<IpAddr>) -> Result<(), Refusal> {
    let (key, service) = (&principal.key, &principal.key.service);
    if key.ip_allow.is_empty() && service.ip_allow.is_empty() && service.ip_deny.is_empty() {
        return Ok(());
    }
    let permitted = client.is_some_and(|client| {
        ip::listed_or_empty(&key.ip_allow, client)
            && ip::listed_or_empty(&service.ip_allow, client)
            && !ip::listed(&service.ip_deny, client)
    });
    if permitted { Ok(()) } else { Err(Refusal::address_not_allowed()) }
}
