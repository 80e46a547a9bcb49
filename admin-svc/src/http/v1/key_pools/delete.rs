//! Deletes a key pool.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::KeyPoolId;

use crate::{
    app::{App, caller::ManageConfiguration},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes a key pool. Refused with 409 while it has upstream keys or services send to it.
#[utoipa::path(
    delete,
    path = "/api/v1/key-pools/{id}",
    tag = "key pools",
    params(("id" = KeyPoolId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_key_pool(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<KeyPoolId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_key_pool(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
