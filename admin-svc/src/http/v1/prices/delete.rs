//! Deletes a price.

use axum::{extract::State, http::StatusCode};
use tollgate_shared::ids::PriceId;

use crate::{
    app::{App, caller::ManageConfiguration},
    http::{
        extract::{IfMatch, PathId, Signed},
        problem::Problem,
    },
};

/// Deletes a price. What was used stays priced as it was.
#[utoipa::path(
    delete,
    path = "/api/v1/prices/{id}",
    tag = "prices",
    params(("id" = PriceId, Path), ("if-match" = Option<String>, Header)),
    responses((status = 204))
)]
pub(super) async fn delete_price(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<PriceId>,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    app.delete_price(&caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}
