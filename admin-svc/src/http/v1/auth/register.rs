//! Makes an account for oneself.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{ClientQuery, SignedIn, signed_in};
use crate::{
    app::{App, auth::Registration},
    http::{
        extract::{ClientSource, JsonBody, QueryOf},
        problem::Problem,
    },
};

/// Makes a member's account and signs in. Refused with 403 unless an operator opened registration.
#[utoipa::path(
    post,
    path = "/api/v1/auth/register",
    tag = "authentication",
    security(()),
    params(ClientQuery),
    request_body = Registration,
    responses((status = 201, body = SignedIn))
)]
pub(super) async fn register(
    State(app): State<App>,
    ClientSource(source): ClientSource,
    QueryOf(query): QueryOf<ClientQuery>,
    JsonBody(registration): JsonBody<Registration>,
) -> Result<Response, Problem> {
    let session = app.register(registration, &source).await?;
    Ok(signed_in(&app, StatusCode::CREATED, session, query.is_cli()))
}
