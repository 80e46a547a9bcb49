//! Changes a provider.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::ProviderId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::provider::{Provider, ProviderSpec},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes a provider: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/providers/{id}",
    tag = "providers",
    params(("id" = ProviderId, Path), ("if-match" = Option<String>, Header)),
    request_body = ProviderSpec,
    responses((status = 200, body = Provider, headers(("etag" = String))))
)]
pub(super) async fn update_provider(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<ProviderId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let provider = app.update_provider(&caller, id, patch, precondition).await?;
    Ok(render::resource(&provider, provider.stamp))
}
