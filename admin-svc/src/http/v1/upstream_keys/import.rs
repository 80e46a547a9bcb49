//! Imports many upstream keys at once.

use axum::{extract::State, response::Response};

use crate::{
    app::{
        App,
        caller::ManageConfiguration,
        upstream_keys::{ImportReport, ImportUpstreamKeys},
    },
    http::{
        extract::{CreateBody, Signed},
        problem::Problem,
        render,
    },
};

/// Imports many upstream keys at once. Good lines are imported even when others are not; each has its result.
#[utoipa::path(
    post,
    path = "/api/v1/upstream-keys/import",
    tag = "upstream keys",
    params(("idempotency-key" = Option<String>, Header)),
    request_body = ImportUpstreamKeys,
    responses((status = 200, body = ImportReport))
)]
pub(super) async fn import_upstream_keys(
    State(app): State<App>,
    Signed(caller): Signed<ManageConfiguration>,
    CreateBody(import, once): CreateBody<ImportUpstreamKeys>,
) -> Result<Response, Problem> {
    Ok(render::ok(&app.import_upstream_keys(&caller, &once, import).await?))
}
