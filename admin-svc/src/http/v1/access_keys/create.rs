//! Makes an access key.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, access_keys::AccessKeyWithSecret, caller::ManageAccessKeys},
    domain::access_key::NewAccessKey,
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes an access key; its secret is shown in this answer only. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/access-keys",
    tag = "access keys",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewAccessKey,
    responses((status = 201, body = AccessKeyWithSecret, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_access_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageAccessKeys>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<NewAccessKey>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_access_key(&caller, &once, new).await?, &uri))
}
