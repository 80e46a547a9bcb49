//! Makes a key pool.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::key_pool::{KeyPool, KeyPoolSpec},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a key pool. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/key-pools",
    tag = "key pools",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = KeyPoolSpec,
    responses((status = 201, body = KeyPool, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_key_pool(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<KeyPoolSpec>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_key_pool(&caller, &once, new).await?, &uri))
}
