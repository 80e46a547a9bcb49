//! Reads a price.

use axum::{extract::State, response::Response};
use tollgate_shared::ids::PriceId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::price::Price,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
        render,
    },
};

/// Reads a price. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/v1/prices/{id}",
    tag = "prices",
    params(("id" = PriceId, Path)),
    responses((status = 200, body = Price, headers(("etag" = String))))
)]
pub(super) async fn get_price(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<PriceId>,
) -> Result<Response, Problem> {
    let price = app.price(&caller, id).await?;
    Ok(render::resource(&price, price.stamp))
}
