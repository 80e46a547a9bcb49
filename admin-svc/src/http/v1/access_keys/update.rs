//! Changes an access key.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{App, caller::ManageAccessKeys},
    domain::access_key::{AccessKey, AccessKeySpec},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes an access key: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/access-keys/{id}",
    tag = "access keys",
    params(("id" = AccessKeyId, Path), ("if-match" = Option<String>, Header)),
    request_body = AccessKeySpec,
    responses((status = 200, body = AccessKey, headers(("etag" = String))))
)]
pub(super) async fn update_access_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageAccessKeys>,
    PathId(id): PathId<AccessKeyId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let access_key = app.update_access_key(&caller, id, patch, precondition).await?;
    Ok(render::resource(&access_key, access_key.stamp))
}
