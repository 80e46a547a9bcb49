//! Lists access keys, oldest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use tollgate_shared::ids::{ServiceId, UserId};

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{
        access_key::{AccessKey, AccessKeyStatus},
        page::Page,
    },
    http::{
        extract::{Filter, ListQuery, PageParams, Signed},
        problem::Problem,
    },
    store::access_keys::AccessKeyFilter,
};

/// Which access keys a list has; absent = all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFilter {
    /// Only keys for this service.
    #[serde(default)]
    service_id: Option<ServiceId>,
    /// Only this owner's keys.
    #[serde(default)]
    user_id: Option<UserId>,
    /// Only active, or only revoked ones.
    #[serde(default)]
    status: Option<AccessKeyStatus>,
}

impl Filter for ListFilter {}

/// Lists access keys, oldest first. A member gets their own.
#[utoipa::path(
    get,
    path = "/api/v1/access-keys",
    tag = "access keys",
    params(PageParams, ListFilter),
    responses((status = 200, body = Page<AccessKey>))
)]
pub(super) async fn list_access_keys(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<ListFilter>,
) -> Result<Json<Page<AccessKey>>, Problem> {
    let ListFilter { service_id, user_id, status } = query.filter;
    Ok(Json(app.access_keys(&caller, &query.page, AccessKeyFilter { service_id, user_id, status }).await?))
}
