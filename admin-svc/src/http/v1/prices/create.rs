//! Makes a price.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};

use crate::{
    app::{App, caller::ManageConfiguration},
    domain::price::{Price, PriceSpec},
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Makes a price. With an `Idempotency-Key`, a repetition gets the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/prices",
    tag = "prices",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = PriceSpec,
    responses((status = 201, body = Price, headers(("etag" = String), ("location" = String))))
)]
pub(super) async fn create_price(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    OriginalUri(uri): OriginalUri,
    CreateBody(new, once): CreateBody<PriceSpec>,
) -> Result<Response, Problem> {
    Ok(render::created(&app.create_price(&caller, &once, new).await?, &uri))
}
