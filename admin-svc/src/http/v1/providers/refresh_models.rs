//! Fetches a provider's list of models.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::ProviderId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::provider::Provider,
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Fetches the provider's list of models with one of its active keys. Refused with 409 when it has none, with 502 when
/// the provider does not give a list.
#[utoipa::path(
    post,
    path = "/api/v1/providers/{id}/models/refresh",
    tag = "providers",
    params(("id" = ProviderId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 200, body = Provider, headers(("etag" = String))))
)]
pub(super) async fn refresh_provider_models(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<ProviderId>,
    IfMatch(precondition): IfMatch,
) -> Result<Response, Problem> {
    let provider = app.refresh_models(&caller, id, precondition).await?;
    Ok(render::resource(&provider, provider.stamp))
}
