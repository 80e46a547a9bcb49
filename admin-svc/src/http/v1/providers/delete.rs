//! Deletes a provider.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::ProviderId;

use crate::{
    app::{App, caller::ManageConfiguration},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes a provider. Refused with 409 while key pools or prices belong to it.
#[utoipa::path(
    delete,
    path = "/api/v1/providers/{id}",
    tag = "providers",
    params(("id" = ProviderId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_provider(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<ProviderId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_provider(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
