//! Lists upstream keys with their health.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::{KeyPoolId, ProviderId};

use super::key_health_body::KeyHealthBody;
use crate::{
    app::{App, caller::ReadConfiguration, health::HealthFilter},
    domain::{key_health::KeyState, page::Page},
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
};

/// Which keys a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// Only this pool's keys.
    #[serde(default)]
    pool_id: Option<KeyPoolId>,
    /// Only this provider's keys.
    #[serde(default)]
    provider_id: Option<ProviderId>,
    /// Only keys in this state.
    #[serde(default)]
    state: Option<KeyState>,
}

impl Filter for ListFilter {}

impl From<ListFilter> for HealthFilter {
    fn from(filter: ListFilter) -> Self {
        let ListFilter { pool_id, provider_id, state } = filter;
        Self { pool_id, provider_id, state }
    }
}

/// Lists upstream keys with their health, oldest key first.
#[utoipa::path(
    get,
    path = "/api/v1/health/upstream-keys",
    tag = "health",
    params(PageParams, ListFilter),
    responses((status = 200, body = Page<KeyHealthBody>))
)]
pub(super) async fn list_key_health(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<KeyHealthBody>>, Problem> {
    let Page { items, next } = app.key_healths(&caller, &query.page, &query.filter.into()).await?;
    let now = app.now();
    let items = items.into_iter().map(|health| KeyHealthBody::new(health, now)).collect();
    Ok(Json(Page { items, next }))
}
