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

use smallvec::SmallVec;

use crate::{
    authenticate::Principal,
    gateway::{Inquiry, Recording},
    limits::{Limited, Limiter, Place},
    respond::Refusal,
    snapshot::LimitsMode,
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
    places: Places,
}

/// One for each scope of a caller.
type Places = SmallVec<[Place; 3]>;

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
    // From here on the answer says where the caller's limits stand: not to whoever may not use the key from there.
    recording.ledger().set_caller(&principal.key);
    let places = match concurrency::enter(limiter, Limited::of_caller(&principal.key)) {
        Ok(places) => places,
        Err(exhausted) if principal.key.service.limits_mode == LimitsMode::Shadow => {
            recording.would_have_been_limited(exhausted.scope, exhausted.dimension);
            Places::new()
        }
        Err(exhausted) => return Err(rate::refused(&exhausted, recording)),
    };
    rate::one_request(recording).await?;
    let mut permit = Permit { places };
    permit.leave_on_trial(recording);
    Ok(permit)
}

/// Reserves the tokens that the request will probably use; what it did use is settled when it is over. A request that
/// is refused here does not count as one.
pub(crate) async fn reserve_tokens(
    permit: &mut Permit,
    inquiry: &Inquiry<'_>,
    recording: &mut Recording<'_>,
) -> Result<(), Refusal> {
    let reserved = rate::tokens(inquiry, recording).await;
    if reserved.is_err() {
        recording.ledger().give_back_request();
    }
    permit.leave_on_trial(recording);
    reserved
}

impl Permit {
    /// Holds no places for a request that would have been refused.
    fn leave_on_trial(&mut self, recording: &Recording<'_>) {
        if recording.ledger_ref().is_refused_on_trial() {
            self.places.clear();
        }
    }
}
