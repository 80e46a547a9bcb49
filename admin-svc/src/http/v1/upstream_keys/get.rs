//! Reads an upstream key.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::UpstreamKeyId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::upstream_key::UpstreamKey,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads an upstream key. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/upstream-keys/{id}",
    tag = "upstream keys",
    params(("id" = UpstreamKeyId, Path)),
    responses((status = 200, body = UpstreamKey, headers(("etag" = String))))
)]
pub(super) async fn get_upstream_key(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<UpstreamKeyId>,
) -> Result<Response, Problem> {
    let upstream_key = app.upstream_key(&caller, id).await?;
    Ok(render::resource(&upstream_key, upstream_key.stamp))
}
