//! Lists providers, oldest first.

use axum::{Json, extract::State};

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{page::Page, provider::Provider},
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// Lists providers, oldest first.
#[utoipa::path(get, path = "/api/v1/providers", tag = "providers", params(PageParams), responses((status = 200, body = Page<Provider>)))]
pub(super) async fn list_providers(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<NoFilter>,
) -> Result<Json<Page<Provider>>, Problem> {
    Ok(Json(app.providers(&caller, &query.page).await?))
}
