//! Shows how an access key's budget stands.

use axum::{Json, extract::State};
use tollgate_shared::ids::AccessKeyId;

use crate::{
    app::{App, caller::ReadConfiguration},
    domain::budget::BudgetStatus,
    http::{
        extract::{PathId, Signed},
        problem::Problem,
    },
};

/// Shows how the budget stands in its present period: what was spent, what is lent to proxies, and what is left. 404 when
/// there is none.
#[utoipa::path(
    get,
    path = "/api/v1/access-keys/{id}/budget",
    tag = "access keys",
    params(("id" = AccessKeyId, Path)),
    responses((status = 200, body = BudgetStatus))
)]
pub(super) async fn get_access_key_budget(
    State(app): State<App>,
    Signed(caller): Signed<ReadConfiguration>,
    PathId(id): PathId<AccessKeyId>,
) -> Result<Json<BudgetStatus>, Problem> {
    Ok(Json(app.access_key_budget(&caller, id).await?))
}
