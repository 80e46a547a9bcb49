//! Deletes an upstream key.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::UpstreamKeyId;

use crate::{
    app::{App, caller::ManageConfiguration},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes an upstream key.
#[utoipa::path(
    delete,
    path = "/api/v1/upstream-keys/{id}",
    tag = "upstream keys",
    params(("id" = UpstreamKeyId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_upstream_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<UpstreamKeyId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_upstream_key(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
