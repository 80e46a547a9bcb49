//! Reads a usage event.

use axum::{Json, extract::State};
use tollgate_shared::ids::RequestId;

use super::event_body::UsageEventBody;
use crate::{
    app::{App, caller::ReadUsage},
    http::{
        extract::{PathId, Signed},
        problem::Problem,
    },
};

/// Reads the usage event of a request.
#[utoipa::path(
    get,
    path = "/api/v1/usage/events/{request_id}",
    tag = "usage",
    params(("request_id" = RequestId, Path)),
    responses((status = 200, body = UsageEventBody))
)]
pub(super) async fn get_usage_event(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsage>,
    PathId(id): PathId<RequestId>,
) -> Result<Json<UsageEventBody>, Problem> {
    Ok(Json(app.usage_event(&caller, id).await?.into()))
}
