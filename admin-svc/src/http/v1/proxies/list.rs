//! Lists proxies.

use axum::{Json, extract::State};

use super::proxy_body::ProxyBody;
use crate::{
    app::{App, caller::ReadProxies},
    domain::page::Page,
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// Lists every proxy that ever connected, in the order of their ids.
#[utoipa::path(
    get,
    path = "/api/v1/proxies",
    tag = "proxies",
    params(PageParams),
    responses((status = 200, body = Page<ProxyBody>))
)]
pub(super) async fn list_proxies(
    State(app): State<App>,
    Signed(caller): Signed<ReadProxies>,
    query: ListQuery<NoFilter>,
) -> Result<Json<Page<ProxyBody>>, Problem> {
    let (head, Page { items, next }) = app.proxies(&caller, &query.page).await?;
    let now = app.clock().now();
    let items = items.into_iter().map(|proxy| ProxyBody::new(proxy, &head, now)).collect();
    Ok(Json(Page { items, next }))
}
