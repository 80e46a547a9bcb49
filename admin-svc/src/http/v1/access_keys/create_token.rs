//! Makes a short-lived token of an access key.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{AccessKeyToken, App, NewAccessKeyToken, caller::ManageAccessKeys},
    http::{
        extract::{CreateBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a short-lived token that is accepted wherever the access key is, for as long as the access key itself is in
/// force. It is shown in this answer only.
#[utoipa::path(
    post,
    path = "/api/v1/access-keys/{id}/tokens",
    tag = "access keys",
    params(("id" = AccessKeyId, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = NewAccessKeyToken,
    responses((status = 201, body = AccessKeyToken))
)]
pub(super) async fn create_access_key_token(
    State(app): State<App>,
    Signed(caller): Signed<ManageAccessKeys>,
    PathId(id): PathId<AccessKeyId>,
    CreateBody(new, once): CreateBody<NewAccessKeyToken>,
) -> Result<Response, Problem> {
    Ok(render::created_without_address(&app.create_access_key_token(&caller, id, new, &once).await?))
}
