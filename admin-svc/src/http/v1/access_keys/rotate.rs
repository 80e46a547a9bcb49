//! Gives an access key a new secret.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{
        App,
        access_keys::{AccessKeyWithSecret, RotateAccessKey},
        caller::ManageAccessKeys,
    },
    http::{
        extract::{CreateBody, IfMatch, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Gives an access key a new secret, shown in this answer only. The present one is accepted for `overlap_seconds` more.
#[utoipa::path(
    post,
    path = "/api/v1/access-keys/{id}/rotate",
    tag = "access keys",
    params(
        ("id" = AccessKeyId, Path),
        ("if-match" = Option<String>, Header),
        ("idempotency-key" = Option<String>, Header)
    ),
    request_body = RotateAccessKey,
    responses((status = 200, body = AccessKeyWithSecret, headers(("etag" = String))))
)]
pub(super) async fn rotate_access_key(
    State(app): State<App>,
    Signed(caller): Signed<ManageAccessKeys>,
    PathId(id): PathId<AccessKeyId>,
    IfMatch(precondition): IfMatch,
    CreateBody(rotate, once): CreateBody<RotateAccessKey>,
) -> Result<Response, Problem> {
    Ok(render::ok(&app.rotate_access_key(&caller, id, rotate, &once, precondition).await?))
}
