//! Lists users, oldest first.

use axum::{Json, extract::State};

use crate::{
    app::{App, caller::ReadUsers},
    domain::{page::Page, user::User},
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// Lists users, oldest first.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(PageParams), responses((status = 200, body = Page<User>)))]
pub(super) async fn list_users(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsers>,
    query: ListQuery<NoFilter>,
) -> Result<Json<Page<User>>, Problem> {
    Ok(Json(app.users(&caller, &query.page).await?))
}
