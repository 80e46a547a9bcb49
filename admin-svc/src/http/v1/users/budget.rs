//! Shows how a user's budget stands.

use axum::{Json, extract::State};
use tollgate_shared::ids::UserId;

use crate::{
    app::{App, caller::ReadUsers},
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
    path = "/api/v1/users/{id}/budget",
    tag = "users",
    params(("id" = UserId, Path)),
    responses((status = 200, body = BudgetStatus))
)]
pub(super) async fn get_user_budget(
    State(app): State<App>,
    Signed(caller): Signed<ReadUsers>,
    PathId(id): PathId<UserId>,
) -> Result<Json<BudgetStatus>, Problem> {
    Ok(Json(app.user_budget(&caller, id).await?))
}
