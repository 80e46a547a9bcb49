//! Who the caller is.

use axum::Json;

use crate::{
    app::caller::SignedIn,
    domain::user::User,
    http::{extract::Signed, problem::Problem},
};

/// Says who the caller is.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "authentication", responses((status = 200, body = User)))]
pub(super) async fn me(Signed(caller): Signed<SignedIn>) -> Result<Json<User>, Problem> {
    Ok(Json(caller.user.clone()))
}
