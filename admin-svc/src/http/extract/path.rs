//! The id in a path. What cannot be an id is the id of nothing: not found.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{app::App, http::problem::Problem};

#[derive(Debug)]
pub struct PathId<T>(pub T);

impl<T: FromStr + Send> FromRequestParts<App> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let not_found = || Problem::not_found("There is nothing with this id.");
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| not_found())?;
        text.parse().map(Self).map_err(|_| not_found())
    }
}
