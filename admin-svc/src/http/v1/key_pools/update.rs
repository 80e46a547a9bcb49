//! Changes a key pool.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::KeyPoolId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::key_pool::{KeyPool, KeyPoolSpec},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes a key pool: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/key-pools/{id}",
    tag = "key pools",
    params(("id" = KeyPoolId, Path), ("if-match" = Option<String>, Header)),
    request_body = KeyPoolSpec,
    responses((status = 200, body = KeyPool, headers(("etag" = String))))
)]
pub(super) async fn update_key_pool(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<KeyPoolId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let key_pool = app.update_key_pool(&caller, id, patch, precondition).await?;
    Ok(render::resource(&key_pool, key_pool.stamp))
}
