//! Lists key pools, oldest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::ProviderId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{key_pool::KeyPool, page::Page},
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
};

/// Which key pools a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// Only this provider's pools.
    #[serde(default)]
    provider_id: Option<ProviderId>,
}

impl Filter for ListFilter {}

/// Lists key pools, oldest first.
#[utoipa::path(get, path = "/api/v1/key-pools", tag = "key pools", params(PageParams, ListFilter), responses((status = 200, body = Page<KeyPool>)))]
pub(super) async fn list_key_pools(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<KeyPool>>, Problem> {
    Ok(Json(app.key_pools(&caller, &query.page, query.filter.provider_id).await?))
}
