//! How often and how much: the limits of the caller's access key, user and service, of this proxy, and of an upstream
//! key. The narrowest scope is asked first; what is refused has taken nothing anywhere.

use std::sync::Arc;

use crate::{
    authenticate::Principal,
    gateway::{Inquiry, Recording},
    limits::{Exhausted, Ledger, Limited, Limiter, Scope, Taken, Want, estimate},
    respond::Refusal,
    snapshot::{LimitsMode, UpstreamKey},
};

/// Those of the caller, the narrowest first.
pub(super) fn scopes(principal: &Principal) -> impl Iterator<Item = Limited<'_>> {
    let (key, service) = (&principal.key, &principal.key.service);
    let of_user = key.user.as_ref().and_then(|user| Limited::new(Scope::User, &user.limits, &user.counted));
    [
        Limited::new(Scope::AccessKey, &key.limits, &key.counted),
        of_user,
        Limited::new(Scope::Service, &service.limits, &service.counted),
    ]
    .into_iter()
    .flatten()
}

/// Takes one request everywhere.
pub(super) async fn one_request(
    limiter: &Limiter,
    principal: &Principal,
    recording: &mut Recording<'_>,
) -> Result<Vec<Taken>, Refusal> {
    take(limiter, principal, recording, |limited| limited.one_request().collect()).await
}

/// Reserves what the request will probably use, for as long as it is in work.
pub(super) async fn tokens(
    limiter: &Arc<Limiter>,
    principal: &Principal,
    inquiry: &Inquiry<'_>,
    recording: &mut Recording<'_>,
) -> Result<(), Refusal> {
    let Some(amount) = estimate(inquiry) else { return Ok(()) };
    let taken = take(limiter, principal, recording, |limited| limited.tokens(amount).into_iter().collect()).await?;
    recording.ledger().reserve(limiter, taken);
    Ok(())
}

/// Takes from the caller's scopes and then from this proxy's own. A service that only tries its limits out is told
/// what they would have refused.
async fn take(
    limiter: &Limiter,
    principal: &Principal,
    recording: &mut Recording<'_>,
    wants_of: impl Fn(Limited<'_>) -> Vec<Want>,
) -> Result<Vec<Taken>, Refusal> {
    let wants: Vec<Want> = scopes(principal).flat_map(&wants_of).collect();
    let mut taken = Vec::new();
    match limiter.take(wants, &mut recording.ledger().patience).await {
        Ok(of_caller) => taken.push(of_caller),
        Err(exhausted) => refused_unless_shadow(principal, &exhausted, recording)?,
    }
    let wants: Vec<Want> = limiter.proxy().into_iter().flat_map(&wants_of).collect();
    match limiter.take(wants, &mut recording.ledger().patience).await {
        Ok(of_proxy) => taken.push(of_proxy),
        Err(exhausted) => {
            taken.into_iter().for_each(Taken::give_back);
            return Err(refused(&exhausted, recording));
        }
    }
    Ok(taken)
}

pub(super) fn refused_unless_shadow(
    principal: &Principal,
    exhausted: &Exhausted,
    recording: &mut Recording<'_>,
) -> Result<(), Refusal> {
    match principal.key.service.limits_mode {
        LimitsMode::Enforce => Err(refused(exhausted, recording)),
        LimitsMode::Shadow => {
            recording.would_have_been_limited(exhausted.scope, exhausted.dimension);
            Ok(())
        }
    }
}

fn refused(exhausted: &Exhausted, recording: &mut Recording<'_>) -> Refusal {
    let Exhausted { scope, dimension, wait } = *exhausted;
    recording.limited(scope, dimension);
    Refusal::limit_reached(scope, dimension, wait)
}

/// Notes for the answer where the caller's limits stand now.
pub(super) fn show(limiter: &Limiter, principal: &Principal, recording: &mut Recording<'_>) {
    if scopes(principal).next().is_some() {
        recording.ledger().standings = limiter.standings(scopes(principal));
    }
}

/// Takes one request, and the tokens that it will probably use, at an upstream key; the reservation replaces that of
/// the attempt before.
pub(crate) async fn at_upstream_key(
    limiter: &Arc<Limiter>,
    key: &UpstreamKey,
    inquiry: &Inquiry<'_>,
    ledger: &mut Ledger,
) -> Result<(), Exhausted> {
    ledger.leave_upstream();
    let Some(limited) = Limited::new(Scope::UpstreamKey, &key.limits, &key.counted) else { return Ok(()) };
    let tokens = estimate(inquiry).and_then(|amount| limited.tokens(amount));
    let wants = limited.one_request().chain(tokens).collect();
    let taken = limiter.take(wants, &mut ledger.patience).await?;
    ledger.reserve_upstream(limiter, taken);
    Ok(())
}
