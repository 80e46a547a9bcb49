//! `/api/v1/setup`: the first administrator.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use utoipa::OpenApi;

use crate::{
    app::{App, auth::Setup},
    domain::user::User,
    http::{
        extract::{ClientSource, JsonBody},
        problem::Problem,
    },
};

/// This resource's part of the API's document.
#[derive(OpenApi)]
#[openapi(paths(get_setup, create_first_administrator))]
pub(super) struct Api;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(get_setup).post(create_first_administrator))
}

/// Whether somebody has to set the service up.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SetupState {
    needed: bool,
}

/// Says whether the first administrator is still to be made.
#[utoipa::path(get, path = "/api/v1/setup", tag = "set-up", security(()), responses((status = 200, body = SetupState)))]
pub(super) async fn get_setup(State(app): State<App>) -> Result<Json<SetupState>, Problem> {
    Ok(Json(SetupState { needed: app.needs_setup().await? }))
}

/// Makes the first administrator. Refused with 409 once there is one.
#[utoipa::path(
    post,
    path = "/api/v1/setup",
    tag = "set-up",
    security(()),
    request_body = Setup,
    responses((status = 201, body = User))
)]
pub(super) async fn create_first_administrator(
    State(app): State<App>,
    ClientSource(source): ClientSource,
    JsonBody(setup): JsonBody<Setup>,
) -> Result<Response, Problem> {
    Ok((StatusCode::CREATED, Json(app.setup(setup, &source).await?)).into_response())
}
