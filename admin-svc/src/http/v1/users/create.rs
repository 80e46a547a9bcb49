//! Makes a user.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageUsers},
    domain::user::{NewUser, User},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a user. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "users",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = NewUser,
    responses((status = 201, body = User, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_user(
    State(app): State<App>,
    Signed(caller): Signed<ManageUsers>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<NewUser>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_user(&caller, &once, new).await?, &uri))
}
