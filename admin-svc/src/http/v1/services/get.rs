//! Reads a service.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::ServiceId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::service::Service,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads a service. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/services/{id}",
    tag = "services",
    params(("id" = ServiceId, Path)),
    responses((status = 200, body = Service, headers(("etag" = String))))
)]
pub(super) async fn get_service(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<ServiceId>,
) -> Result<Response, Problem> {
    let service = app.service(&caller, id).await?;
    Ok(render::resource(&service, service.stamp))
}
