//! Changes a price.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::PriceId;

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::price::{Price, PriceSpec},
    http::{
        extract::{IfMatch, PatchBody, PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Changes a price: absent fields stay, `null` clears what may be absent, lists are replaced whole.
#[utoipa::path(
    patch,
    path = "/api/v1/prices/{id}",
    tag = "prices",
    params(("id" = PriceId, Path), ("if-match" = Option<String>, Header)),
    request_body = PriceSpec,
    responses((status = 200, body = Price, headers(("etag" = String))))
)]
pub(super) async fn update_price(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    PathId(id): PathId<PriceId>,
    IfMatch(precondition): IfMatch,
    PatchBody(patch): PatchBody,
) -> Result<Response, Problem> {
    let price = app.update_price(&caller, id, patch, precondition).await?;
    Ok(render::resource(&price, price.stamp))
}
