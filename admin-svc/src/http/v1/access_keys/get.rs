//! Reads an access key.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::access_key::AccessKey,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads an access key. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/access-keys/{id}",
    tag = "access keys",
    params(("id" = AccessKeyId, Path)),
    responses((status = 200, body = AccessKey, headers(("etag" = String))))
)]
pub(super) async fn get_access_key(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<AccessKeyId>,
) -> Result<Response, Problem> {
    let access_key = app.access_key(&caller, id).await?;
    Ok(render::resource(&access_key, access_key.stamp))
}
