//! Who calls, from which address, and whether they may.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header, request::Parts},
};
use tollgate_shared::ids::RequestId;

use crate::{
    app::{App, AppError, Authorised, Source, caller::Permission},
    http::problem::Problem,
};

/// Where a request comes from, before anybody is signed in.
#[derive(Debug)]
pub struct ClientSource(pub Source);

/// A signed-in caller who has a permission.
#[derive(Debug)]
pub struct Signed<P>(pub Authorised<P>);

impl FromRequestParts<App> for ClientSource {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self(source_of(parts)))
    }
}

impl<P: Permission> FromRequestParts<App> for Signed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(parts).ok_or(AppError::Unauthenticated("Sign in: send `Authorization: Bearer …`."))?;
        let caller = app.authenticate(token, &source_of(parts)).await?;
        Ok(Self(caller.authorise()?))
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn source_of(parts: &Parts) -> Source {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let request_id = parts.extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default();
    Source::anonymous(address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()), request_id)
}
