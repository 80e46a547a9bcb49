//! Reads a key pool.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::KeyPoolId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::key_pool::KeyPool,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads a key pool. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/key-pools/{id}",
    tag = "key pools",
    params(("id" = KeyPoolId, Path)),
    responses((status = 200, body = KeyPool, headers(("etag" = String))))
)]
pub(super) async fn get_key_pool(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<KeyPoolId>,
) -> Result<Response, Problem> {
    let key_pool = app.key_pool(&caller, id).await?;
    Ok(render::resource(&key_pool, key_pool.stamp))
}
