//! Where a request carries its refresh token, and the cookie that a browser keeps it in.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tollgate_shared::secret::Secret;

use crate::{app::AppError, http::problem::Problem};

const COOKIE: &str = "tollgate_refresh";
/// Any value does: that a page of ours set it is what counts.
const CSRF_HEADER: &str = "x-tollgate-csrf";

/// The body of a refresh or a log-out of a client without cookies.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct RefreshBody {
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub(super) refresh_token: Option<Secret>,
}

/// A refresh token, and whether it came in the body.
pub(super) struct Presented {
    pub(super) token: Secret,
    pub(super) in_body: bool,
}

/// The body's token, else the cookie's, which needs the header against forged requests.
pub(super) fn presented(headers: &HeaderMap, body: RefreshBody) -> Result<Presented, Problem> {
    if let Some(token) = body.refresh_token {
        return Ok(Presented { token, in_body: true });
    }
    let token = from_cookie(headers).ok_or(AppError::Unauthenticated("There is no refresh token; sign in."))?;
    if !headers.contains_key(CSRF_HEADER) {
        let detail = "A request that is authenticated by a cookie needs the header `x-tollgate-csrf: 1`.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", "Header missing", detail));
    }
    Ok(Presented { token, in_body: false })
}

fn from_cookie(headers: &HeaderMap) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, token)| *name == COOKIE && !token.is_empty())?;
    Some(Secret::new(token.to_owned()))
}

/// `Set-Cookie` with the token; empty and with no time left, it deletes the cookie.
pub(super) fn cookie(token: &str, max_age_seconds: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Max-Age={max_age_seconds}; Path=/api/v1/auth; HttpOnly; SameSite=Strict{secure}")
}
