//! Makes a service.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::service::{Service, ServiceSpec},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a service. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/services",
    tag = "services",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = ServiceSpec,
    responses((status = 201, body = Service, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_service(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<ServiceSpec>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_service(&caller, &once, new).await?, &uri))
}
