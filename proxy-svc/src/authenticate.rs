//! Credential → [`Principal`], from the snapshot alone: never a network call, so an unknown key costs one hash and
//! cannot reach the control plane.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use smallvec::SmallVec;
use tollgate_dialect::endpoint::query;
use tollgate_shared::{access_key, access_token, clock::UnixMicros};

use crate::{
    respond::Refusal,
    route::pattern::Pattern,
    snapshot::{AccessKey, Snapshot},
};

mod token;

pub(crate) use token::{Tokens, VerifiedTokens};

/// Proof that a caller presented a key that is in force, or a token of one.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) key: Arc<AccessKey>,
    /// What a token narrows the key to; absent = all that the key may call.
    scope: Option<Arc<[Pattern]>>,
}

impl Principal {
    /// Whoever presents the key itself.
    pub(crate) const fn of(key: Arc<AccessKey>) -> Self {
        Self { key, scope: None }
    }

    /// Whether key and token allow a model; says nothing about the service's routes.
    pub(crate) fn permits_model(&self, name: &str) -> bool {
        let in_scope = self.scope.as_ref().is_none_or(|scope| scope.iter().any(|pattern| pattern.matches(name)));
        in_scope && self.key.permits_model(name)
    }

    /// Whether some models of the service may not be called.
    pub(crate) fn is_limited_to_models(&self) -> bool {
        self.scope.is_some() || !self.key.models.is_empty()
    }
}

/// A principal, and the credential that it came with.
pub(crate) struct Authenticated<'a> {
    pub(crate) principal: Principal,
    /// The key of the request's signature.
    pub(crate) presented: &'a str,
}

/// Where a credential may stand, in the order in which they are looked at: what OpenAI's, Anthropic's and Google's
/// libraries send. A place that holds something else than a credential of ours is passed over while another is left,
/// because some libraries fill two of them. An access key goes before a token: the form of a token (a JWT) is
/// everybody's.
pub(crate) fn authenticate<'a>(
    snapshot: &Snapshot,
    tokens: Tokens<'_>,
    headers: &'a HeaderMap,
    query_text: Option<&'a str>,
    now: UnixMicros,
) -> Result<Authenticated<'a>, Refusal> {
    let candidates: SmallVec<[&str; 4]> = candidates(headers, query_text).collect();
    if candidates.is_empty() {
        return Err(Refusal::missing_access_key());
    }
    let of_form = |is_well_formed: fn(&str) -> bool| candidates.iter().copied().find(|text| is_well_formed(text));
    let Some(pepper) = snapshot.pepper() else {
        let any = of_form(access_key::is_well_formed).or_else(|| of_form(access_token::is_well_formed));
        return Err(if any.is_some() { Refusal::not_ready() } else { Refusal::invalid_access_key() });
    };
    let (presented, principal) = if let Some(secret) = of_form(access_key::is_well_formed) {
        let Some(entry) = snapshot.access_key(&pepper.mac(secret)) else { return Err(Refusal::invalid_access_key()) };
        if !entry.secret_is_accepted_at(now) {
            return Err(Refusal::revoked_access_key());
        }
        (secret, Principal::of(Arc::clone(&entry.key)))
    } else if let Some(token) = of_form(access_token::is_well_formed) {
        let verified = tokens.verify(snapshot, pepper, token, now)?;
        let Some(key) = snapshot.access_key_by_id(verified.access_key) else {
            return Err(Refusal::revoked_access_key());
        };
        (token, Principal { key: Arc::clone(key), scope: verified.models.clone() })
    } else {
        return Err(Refusal::invalid_access_key());
    };
    in_force(&principal.key, now)?;
    Ok(Authenticated { principal, presented })
}

fn in_force(key: &AccessKey, now: UnixMicros) -> Result<(), Refusal> {
    if !key.enabled {
        return Err(Refusal::revoked_access_key());
    }
    if key.user.as_ref().is_some_and(|user| !user.enabled) {
        return Err(Refusal::disabled_user());
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::expired_access_key());
    }
    if !key.service.enabled {
        return Err(Refusal::service_disabled());
    }
    Ok(())
}

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

fn candidates<'a>(headers: &'a HeaderMap, query_text: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    [
        text(&AUTHORIZATION).and_then(bearer),
        text(&X_API_KEY),
        text(&X_GOOG_API_KEY),
        query_text.and_then(query::access_key),
    ]
    .into_iter()
    .flatten()
    .map(str::trim)
    .filter(|secret| !secret.is_empty())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret)
}

#[cfg(test)]
mod tests;
