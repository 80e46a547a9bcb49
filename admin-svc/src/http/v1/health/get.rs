//! Reads an upstream key's health.

use axum::{Json, extract::State};
use tollgate_shared::ids::UpstreamKeyId;

use super::key_health_body::KeyHealthBody;
use crate::{
    app::{App, caller::ReadConfiguration},
    http::{
        extract::{PathId, Signed},
        problem::Problem,
    },
};

/// Reads an upstream key's health.
#[utoipa::path(
    get,
    path = "/api/v1/health/upstream-keys/{id}",
    tag = "health",
    params(("id" = UpstreamKeyId, Path)),
    responses((status = 200, body = KeyHealthBody))
)]
pub(super) async fn get_key_health(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<UpstreamKeyId>,
) -> Result<Json<KeyHealthBody>, Problem> {
    let health = app.key_health(&caller, id).await?;
    Ok(Json(KeyHealthBody::new(health, app.now())))
}
