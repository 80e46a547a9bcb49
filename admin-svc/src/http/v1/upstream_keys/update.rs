//! Changes an upstream key.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::UpstreamKeyId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::upstream_key::{NewUpstreamKey, UpstreamKey},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes an upstream key: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/upstream-keys/{id}",
    tag = "upstream keys",
    params(("id" = UpstreamKeyId, Path), ("if-match" = Option<String>, Header)),
    request_body = NewUpstreamKey,
    responses((status = 200, body = UpstreamKey, headers(("etag" = String))))
)]
pub(super) async fn update_upstream_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<UpstreamKeyId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let upstream_key = app.update_upstream_key(&caller, id, patch, precondition).await?;
    Ok(render::resource(&upstream_key, upstream_key.stamp))
}
