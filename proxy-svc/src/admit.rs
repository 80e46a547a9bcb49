//! [`Principal`] → [`Permit`]: may this caller, from this address, now? Before the body is read; what the body asks for
//! is reserved afterwards, against the permit.

mod concurrency;
mod ip;
pub(crate) mod rate;
pub(crate) mod signature;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    authenticate::Principal,
    gateway::{Inquiry, Recording},
    limits::{Limiter, Place, Taken},
    respond::Refusal,
};

/// Counts the requests under way, over the whole process.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    now: Arc<AtomicUsize>,
    most: usize,
}

/// A place among the requests under way; given back when dropped.
#[derive(Debug)]
pub(crate) struct InWork {
    in_flight: Arc<AtomicUsize>,
}

/// Proof that the caller's limits let this request through. To be held until its end: its places among the requests at
/// the same time are free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _places: Vec<Place>,
    requests: Vec<Taken>,
}

impl Permit {
    /// For a request that is refused for its tokens: it does not count. One that is refused for another reason does.
    pub(crate) fn give_back(&mut self) {
        self.requests.drain(..).for_each(Taken::give_back);
    }
}

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self { now: Arc::default(), most }
    }

    pub(crate) fn count(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// The cheapest refusal comes first: it is asked before the caller is even known.
    pub(crate) fn enter(&self) -> Result<InWork, Refusal> {
        let permit = InWork { in_flight: Arc::clone(&self.now) };
        if self.now.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(Refusal::too_many_requests_in_flight());
        }
        Ok(permit)
    }
}

impl Drop for InWork {
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

/// Whether the caller may have another request in work, and make another in this minute and on this day.
pub(crate) async fn enter(
    limiter: &Limiter,
    principal: &Principal,
    recording: &mut Recording<'_>,
) -> Result<Permit, Refusal> {
    let places = concurrency::enter(limiter, rate::scopes(principal));
    let places = match places {
        Ok(places) => Ok(places),
        Err(exhausted) => rate::refused_unless_shadow(principal, &exhausted, recording).map(|()| Vec::new()),
    };
    let permit = match places {
        Ok(places) => {
            let requests = rate::one_request(limiter, principal, recording).await;
            requests.map(|requests| Permit { _places: places, requests })
        }
        Err(refusal) => Err(refusal),
    };
    rate::show(limiter, principal, recording);
    permit
}

/// Reserves the tokens that the request will probably use; what it did use is settled when it is over. A request that
/// is refused here does not count as one.
pub(crate) async fn reserve_tokens(
    limiter: &Arc<Limiter>,
    permit: &mut Permit,
    principal: &Principal,
    inquiry: &Inquiry<'_>,
    recording: &mut Recording<'_>,
) -> Result<(), Refusal> {
    let reserved = rate::tokens(limiter, principal, inquiry, recording).await;
    if reserved.is_err() {
        permit.give_back();
    }
    rate::show(limiter, principal, recording);
    reserved
}
