//! Makes a provider.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::provider::{Provider, ProviderSpec},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a provider. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/providers",
    tag = "providers",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = ProviderSpec,
    responses((status = 201, body = Provider, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_provider(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<ProviderSpec>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_provider(&caller, &once, new).await?, &uri))
}
