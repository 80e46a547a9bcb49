//! Reads a proxy.

use axum::{Json, extract::State};
use tollgate_shared::ids::ProxyId;

use super::proxy_body::ProxyBody;
use crate::{
    app::{App, caller::ReadProxies},
    http::{
        extract::{PathId, Signed},
        problem::Problem,
    },
};

/// Reads a proxy.
#[utoipa::path(
    get,
    path = "/api/v1/proxies/{id}",
    tag = "proxies",
    params(("id" = ProxyId, Path)),
    responses((status = 200, body = ProxyBody))
)]
pub(super) async fn get_proxy(
    State(app): State<App>,
    Signed(caller): Signed<ReadProxies>,
    PathId(id): PathId<ProxyId>,
) -> Result<Json<ProxyBody>, Problem> {
    let (head, proxy) = app.proxy(&caller, id).await?;
    Ok(Json(ProxyBody::new(proxy, &head, app.clock().now())))
}
