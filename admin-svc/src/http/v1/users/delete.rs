//! Deletes a user.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::UserId;

use crate::{
    app::{App, caller::ManageUsers},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes a user. Refused with 409 while they have access keys that work, or they are the last administrator.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = UserId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_user(
    State(app): State<App>,
    Signed(caller): Signed<ManageUsers>,
    PathId(id): PathId<UserId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_user(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
