//! Lists prices, oldest first.

use axum::{Json, extract::State};

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::{page::Page, price::Price},
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// Lists prices, oldest first.
#[utoipa::path(get, path = "/api/v1/prices", tag = "prices", params(PageParams), responses((status = 200, body = Page<Price>)))]
pub(super) async fn list_prices(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    query: ListQuery<NoFilter>,
) -> Result<Json<Page<Price>>, Problem> {
    Ok(Json(app.prices(&caller, &query.page).await?))
}
