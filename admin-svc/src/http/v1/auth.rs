//! `/api/v1/auth`: sign in, stay signed in, sign out.
//!
//! A browser keeps the refresh token in an `HttpOnly` cookie that only these paths get, and must send the header
//! `x-tollgate-csrf` with it: another site can make a browser send the cookie, but not that header. Command line
//! clients (`?client=cli`) get and send the refresh token in the body, and need neither.

mod login;
mod logout;
mod me;
mod refresh;
mod refresh_token;
mod register;

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use utoipa::OpenApi;

use crate::{
    app::{App, auth::SignedInSession},
    domain::user::User,
};

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(
    paths(login::login, register::register, refresh::refresh, logout::logout, me::me),
    components(schemas(Client))
)]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/login", post(login::login))
        .route("/register", post(register::register))
        .route("/refresh", post(refresh::refresh))
        .route("/logout", post(logout::logout))
        .route("/me", get(me::me))
}

/// Who keeps the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Client {
    /// The browser, in a cookie.
    Browser,
    /// The caller, who gets it in the body.
    Cli,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientQuery {
    /// `cli`: the refresh token is in the answer's body too.
    #[serde(default)]
    client: Option<Client>,
}

impl ClientQuery {
    fn is_cli(&self) -> bool {
        self.client == Some(Client::Cli)
    }
}

/// The answer to a log-in or a refresh.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SignedIn {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Only with `?client=cli`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user: User,
}

fn signed_in(app: &App, status: StatusCode, session: SignedInSession, in_body: bool) -> Response {
    let SignedInSession { access_token, expires_in, refresh_token, refresh_expires_in, user } = session;
    let cookie = refresh_token::cookie(refresh_token.expose(), refresh_expires_in, app.secure_cookies());
    let body = SignedIn {
        access_token: access_token.expose().to_owned(),
        token_type: "Bearer",
        expires_in,
        refresh_token: in_body.then(|| refresh_token.expose().to_owned()),
        user,
    };
    (status, [(header::SET_COOKIE, cookie)], Json(body)).into_response()
}
