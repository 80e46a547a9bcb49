//! Lists services, oldest first.

use axum::{Json, extract::State};

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{page::Page, service::Service},
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// Lists services, oldest first.
#[utoipa::path(get, path = "/api/v1/services", tag = "services", params(PageParams), responses((status = 200, body = Page<Service>)))]
pub(super) async fn list_services(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<NoFilter>,
) -> Result<Json<Page<Service>>, Problem> {
    Ok(Json(app.services(&caller, &query.page).await?))
}
