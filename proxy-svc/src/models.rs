//! Which models a caller may call, for the requests that list them. Pure, and from the snapshot alone: the gateway
//! answers these itself, so that a caller sees its own models of all providers in its own protocol's shape, and no
//! provider's account.

use std::sync::Arc;

use tollgate_dialect::{Protocol, endpoint::Operation, error::ErrorKind, models};

use crate::{
    authenticate::Principal,
    gateway::Inquiry,
    respond::Refusal,
    snapshot::{Provider, Route},
};

/// The answer to a request for models; nothing when it asks for something else.
pub(crate) fn answer(principal: &Principal, inquiry: &Inquiry<'_>) -> Option<Result<Vec<u8>, Refusal>> {
    let protocol = inquiry.protocol();
    match inquiry.operation() {
        Operation::ListModels => Some(list(principal, protocol, inquiry.query())),
        Operation::GetModel => Some(one(principal, protocol, inquiry.model().unwrap_or_default())),
        _ => None,
    }
}

fn list(principal: &Principal, protocol: Protocol, query: &str) -> Result<Vec<u8>, Refusal> {
    let refused = |error: models::InvalidParameter| Refusal::new(ErrorKind::InvalidRequest, format!("{error}."));
    models::list(protocol, &offered(principal), query).map_err(refused)
}

/// A model need not be listed to be found: a provider may have more than it lists, or was not asked yet.
fn one(principal: &Principal, protocol: Protocol, name: &str) -> Result<Vec<u8>, Refusal> {
    let served = |route: &Route| route.models.iter().any(|pattern| pattern.matches(name));
    if principal.permits_model(name) && principal.key.service.routes.iter().any(served) {
        return Ok(models::one(protocol, name));
    }
    Err(Refusal::model_not_found(name))
}

/// The names that a caller may call as far as they are known, in order, each once: those that routes have as they are, and
/// of the providers' own lists those that a route's patterns match.
fn offered(principal: &Principal) -> Vec<&str> {
    let mut names = Vec::new();
    for route in &principal.key.service.routes {
        let mut patterns = Vec::new();
        for pattern in &route.models {
            match pattern.exact_name() {
                Some(name) => names.push(name),
                None => patterns.push(pattern),
            }
        }
        if !patterns.is_empty() {
            for provider in providers(route) {
                let listed = provider.models.iter().map(AsRef::as_ref);
                names.extend(listed.filter(|name: &&str| patterns.iter().any(|pattern| pattern.matches(name))));
            }
        }
    }
    names.retain(|name| principal.permits_model(name));
    names.sort_unstable();
    names.dedup();
    names
}

/// Where a route sends a name as it came, each once. Whatever is asked of a target that renames, it is one model there:
/// the other names of its provider are not to be had through it.
fn providers(route: &Route) -> Vec<&Arc<Provider>> {
    let mut found: Vec<&Arc<Provider>> = Vec::new();
    for target in route.targets.iter().filter(|target| target.model.is_none()) {
        let provider = &target.pool.provider;
        if !found.iter().any(|known| Arc::ptr_eq(known, provider)) {
            found.push(provider);
        }
    }
    found
}

#[cfg(test)]
mod tests;
