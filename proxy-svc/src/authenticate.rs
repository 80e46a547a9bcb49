//! Credential → [`Principal`], from the snapshot alone: never a network call, so an unknown key costs one hash and
//! cannot reach the control plane.

use std::sync::Arc;

use http::HeaderMap;
use tollgate_dialect::endpoint::query;
use tollgate_shared::{access_key, clock::UnixMicros};

use crate::{
    respond::Refusal,
    snapshot::{AccessKey, Snapshot},
};

/// Proof that a caller presented a key that is in force.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) key: Arc<AccessKey>,
}

/// Where an access key may stand, in the order in which they are looked at: what OpenAI's, Anthropic's and Google's
/// libraries send. A place that holds something else than an access key of ours is passed over while another is left,
/// because some libraries fill two of them.
pub(crate) fn authenticate(
    snapshot: &Snapshot,
    headers: &HeaderMap,
    query_text: Option<&str>,
    now: UnixMicros,
) -> Result<Principal, Refusal> {
    let mut presented = candidates(headers, query_text).peekable();
    if presented.peek().is_none() {
        return Err(Refusal::missing_access_key());
    }
    let Some(secret) = presented.find(|text| access_key::is_well_formed(text)) else {
        return Err(Refusal::invalid_access_key());
    };
    let Some(pepper) = snapshot.pepper() else { return Err(Refusal::not_ready()) };
    let Some(entry) = snapshot.access_key(&pepper.mac(secret)) else { return Err(Refusal::invalid_access_key()) };
    let key = &entry.key;
    if !key.enabled || !entry.secret_is_accepted_at(now) {
        return Err(Refusal::revoked_access_key());
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::expired_access_key());
    }
    if !key.service.enabled {
        return Err(Refusal::service_disabled());
    }
    Ok(Principal { key: Arc::clone(key) })
}

fn candidates<'a>(headers: &'a HeaderMap, query_text: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let text = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    [
        text("authorization").and_then(bearer),
        text("x-api-key"),
        text("x-goog-api-key"),
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
