//! Signs in.

use axum::{extract::State, http::StatusCode, response::Response};

use super::{ClientQuery, SignedIn, signed_in};
use crate::{
    app::{App, auth::Credentials},
    http::{
        extract::{ClientSource, JsonBody, QueryOf},
        problem::Problem,
    },
};

/// Signs in with address and password.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "authentication",
    security(()),
    params(ClientQuery),
    request_body = Credentials,
    responses((status = 200, body = SignedIn))
)]
pub(super) async fn login(
    State(app): State<App>,
    ClientSource(source): ClientSource,
    QueryOf(query): QueryOf<ClientQuery>,
    JsonBody(credentials): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let session = app.login(credentials, &source).await?;
    Ok(signed_in(&app, StatusCode::OK, session, query.is_cli()))
}
