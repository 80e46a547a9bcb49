//! Makes an upstream key.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::upstream_key::{NewUpstreamKey, UpstreamKey},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes an upstream key. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/upstream-keys",
    tag = "upstream keys",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewUpstreamKey,
    responses((status = 201, body = UpstreamKey, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_upstream_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<NewUpstreamKey>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_upstream_key(&caller, &once, new).await?, &uri))
}
