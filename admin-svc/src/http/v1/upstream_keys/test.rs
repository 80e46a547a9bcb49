//! Tries an upstream key out.

use axum::{Json, extract::State};
use tollgate_shared::ids::UpstreamKeyId;

use crate::{
    app::{App, caller::ManageConfiguration, upstream_keys::KeyTest},
    http::{
        extract::{PathId, Signed},
        problem::Problem,
    },
};

/// Tries an upstream key out: lists the provider's models with it, which costs nothing.
#[utoipa::path(
    post,
    path = "/api/v1/upstream-keys/{id}/test",
    tag = "upstream keys",
    params(("id" = UpstreamKeyId, Path)),
    responses((status = 200, body = KeyTest))
)]
pub(super) async fn test_upstream_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<UpstreamKeyId>,
) -> Result<Json<KeyTest>, Problem> {
    Ok(Json(app.test_upstream_key(&caller, id).await?))
}
