//! Changes a user.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::UserId;

use crate::{
    app::{App, caller::ManageUsers},
    domain::user::{NewUser, User},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes a user: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = UserId, Path), ("if-match" = Option<String>, Header)),
    request_body = NewUser,
    responses((status = 200, body = User, headers(("etag" = String))))
)]
pub(super) async fn update_user(
    State(app): State<App>,
    Signed(caller): Signed<ManageUsers>,
    PathId(id): PathId<UserId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let user = app.update_user(&caller, id, patch, precondition).await?;
    Ok(render::resource(&user, user.stamp))
}
