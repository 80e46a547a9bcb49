//! A new access token.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    ClientQuery, SignedIn,
    refresh_token::{RefreshBody, presented},
    signed_in,
};
use crate::{
    app::App,
    http::{
        extract::{ClientSource, OptionalJsonBody, QueryOf},
        problem::Problem,
    },
};

/// Gives a new access token for a refresh token, which changes: a used one ends the session when it comes again. The
/// token is in the cookie (then the header `x-tollgate-csrf` is needed) or in the body.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "authentication",
    security(()),
    params(ClientQuery, ("x-tollgate-csrf" = Option<String>, Header)),
    request_body = Option<RefreshBody>,
    responses((status = 200, body = SignedIn))
)]
pub(super) async fn refresh(
    State(app): State<App>,
    ClientSource(source): ClientSource,
    QueryOf(query): QueryOf<ClientQuery>,
    headers: HeaderMap,
    OptionalJsonBody(body): OptionalJsonBody<RefreshBody>,
) -> Result<Response, Problem> {
    let presented = presented(&headers, body)?;
    let session = app.refresh(&presented.token, &source).await?;
    Ok(signed_in(&app, StatusCode::OK, session, presented.in_body || query.is_cli()))
}
