//! Reads a user.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::UserId;

use crate::{
    app::{App, caller::ReadUsers},
    domain::user::User,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads a user. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = User, headers(("etag" = String))))
)]
pub(super) async fn get_user(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsers>,
    PathId(id): PathId<UserId>,
) -> Result<Response, Problem> {
    let user = app.user(&caller, id).await?;
    Ok(render::resource(&user, user.stamp))
}
