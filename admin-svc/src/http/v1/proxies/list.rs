//! Lists proxies.

use axum::{Json, extract::State};
use serde::Serialize;

use super::proxy_body::ProxyBody;
use crate::{
    app::{App, AppError, caller::ReadProxies},
    domain::page::Page,
    http::{
        extract::{ListQuery, NoFilter, PageParams, Signed},
        problem::Problem,
    },
};

/// A page of proxies.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ProxyPage {
    items: Vec<ProxyBody>,
    /// `after` of the next page; absent on the last.
    next: Option<String>,
    /// How many proxies are connected now, of all, not of this page.
    live: u32,
}

/// Lists every proxy that ever connected, in the order of their ids.
#[utoipa::path(
    get,
    path = "/api/v1/proxies",
    tag = "proxies",
    params(PageParams),
    responses((status = 200, body = ProxyPage))
)]
pub(super) async fn list_proxies(
    State(app): State<App>,
    Signed(caller): Signed<ReadProxies>,
    query: ListQuery<NoFilter>,
) -> Result<Json<ProxyPage>, Problem> {
    let (head, Page { items, next }) = app.proxies(&caller, &query.page).await?;
    let now = app.clock().now();
    let items = items.into_iter().map(|proxy| ProxyBody::new(proxy, &head, now)).collect();
    let live = app.live_proxies().await.map_err(AppError::from)?;
    Ok(Json(ProxyPage { items, next, live }))
}
