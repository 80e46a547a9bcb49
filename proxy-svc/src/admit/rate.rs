//! How often and how much: the limits of the caller's access key, user and service, of this proxy, and of an upstream
//! key.

use crate::{
    gateway::{Inquiry, Recording},
    limits::{Exhausted, Ledger, estimate},
    respond::Refusal,
    snapshot::UpstreamKey,
};

/// Takes one request everywhere.
pub(super) async fn one_request(recording: &mut Recording<'_>) -> Result<(), Refusal> {
    let taken = recording.ledger().take_request().await;
    granted(taken, recording)
}

/// Reserves what the request will probably use, for as long as it is in work.
pub(super) async fn tokens(inquiry: &Inquiry<'_>, recording: &mut Recording<'_>) -> Result<(), Refusal> {
    let Some(amount) = estimate(inquiry) else { return Ok(()) };
    let reserved = recording.ledger().reserve_tokens(amount).await;
    granted(reserved, recording)
}

/// A service that only tries its limits out is told what they would have refused.
fn granted(taken: Result<Option<Exhausted>, Exhausted>, recording: &mut Recording<'_>) -> Result<(), Refusal> {
    match taken {
        Ok(None) => Ok(()),
        Ok(Some(exhausted)) => {
            recording.would_have_been_limited(exhausted.scope, exhausted.dimension);
            Ok(())
        }
        Err(exhausted) => Err(refused(&exhausted, recording)),
    }
}

pub(super) fn refused(exhausted: &Exhausted, recording: &Recording<'_>) -> Refusal {
    let Exhausted { scope, dimension, wait } = *exhausted;
    recording.limited(scope, dimension);
    Refusal::limit_reached(scope, dimension, wait)
}

/// Takes one request, and the tokens that it will probably use, at an upstream key; the reservation replaces that of
/// the attempt before.
pub(crate) async fn at_upstream_key(
    key: &UpstreamKey,
    inquiry: &Inquiry<'_>,
    ledger: &mut Ledger<'_>,
) -> Result<(), Exhausted> {
    ledger.take_at(key, estimate(inquiry)).await
}
