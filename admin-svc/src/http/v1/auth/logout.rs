//! Signs out.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::refresh_token::{RefreshBody, cookie, presented};
use crate::{
    app::{App, caller::SignedIn},
    http::{
        extract::{ClientSource, OptionalJsonBody, Signed},
        problem::Problem,
    },
};

/// Ends the session of the access token, or of the refresh token where there is no access token.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "authentication",
    params(("x-tollgate-csrf" = Option<String>, Header)),
    request_body = Option<RefreshBody>,
    responses((status = 204))
)]
pub(super) async fn logout(
    State(app): State<App>,
    ClientSource(source): ClientSource,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let Signed(caller) = Signed::<SignedIn>::from_request_parts(&mut parts, &app).await?;
        app.logout(&caller).await?;
    } else {
        let headers = parts.headers.clone();
        let OptionalJsonBody(body) =
            OptionalJsonBody::<RefreshBody>::from_request(Request::from_parts(parts, body), &app).await?;
        app.logout_by_refresh_token(&presented(&headers, body)?.token, &source).await?;
    }
    let forget = cookie("", 0, app.secure_cookies());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, forget)]).into_response())
}
