//! Deletes a service.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::ServiceId;

use crate::{
    app::{App, caller::ManageConfiguration},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes a service. Refused with 409 while access keys for it work.
#[utoipa::path(
    delete,
    path = "/api/v1/services/{id}",
    tag = "services",
    params(("id" = ServiceId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_service(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<ServiceId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_service(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
