//! Revokes an access key.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{App, caller::ManageAccessKeys},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Revokes an access key: proxies refuse it from now on, for ever. It stays readable, with status `revoked`, so that
/// logs can name it.
#[utoipa::path(
    delete,
    path = "/api/v1/access-keys/{id}",
    tag = "access keys",
    params(("id" = AccessKeyId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn revoke_access_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageAccessKeys>,
    PathId(id): PathId<AccessKeyId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.revoke_access_key(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
