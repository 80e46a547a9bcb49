//! Lists upstream keys, oldest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::KeyPoolId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{page::Page, upstream_key::UpstreamKey},
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
};

/// Which upstream keys a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// Only this pool's keys.
    #[serde(default)]
    pool_id: Option<KeyPoolId>,
}

impl Filter for ListFilter {}

/// Lists upstream keys, oldest first.
#[utoipa::path(get, path = "/api/v1/upstream-keys", tag = "upstream keys", params(PageParams, ListFilter), responses((status = 200, body = Page<UpstreamKey>)))]
pub(super) async fn list_upstream_keys(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<UpstreamKey>>, Problem> {
    Ok(Json(app.upstream_keys(&caller, &query.page, query.filter.pool_id).await?))
}
