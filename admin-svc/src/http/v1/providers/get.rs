//! Reads a provider.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::ProviderId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::provider::Provider,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads a provider. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/providers/{id}",
    tag = "providers",
    params(("id" = ProviderId, Path)),
    responses((status = 200, body = Provider, headers(("etag" = String))))
)]
pub(super) async fn get_provider(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<ProviderId>,
) -> Result<Response, Problem> {
    let provider = app.provider(&caller, id).await?;
    Ok(render::resource(&provider, provider.stamp))
}
