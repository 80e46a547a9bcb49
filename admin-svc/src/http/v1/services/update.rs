//! Changes a service.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::ServiceId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::service::{Service, ServiceSpec},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes a service: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/services/{id}",
    tag = "services",
    params(("id" = ServiceId, Path), ("if-match" = Option<String>, Header)),
    request_body = ServiceSpec,
    responses((status = 200, body = Service, headers(("etag" = String))))
)]
pub(super) async fn update_service(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<ServiceId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let service = app.update_service(&caller, id, patch, precondition).await?;
    Ok(render::resource(&service, service.stamp))
}
