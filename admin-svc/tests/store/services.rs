//! Services: what stands in their document, and what stood there before.

use admin_svc::{
    domain::{
        patch,
        service::{CacheScope, FallbackCondition, ResponseCache, Service, ServiceSpec},
        stamp::Stamp,
    },
    store::services,
};
use serde_json::{Value, json};
use tollgate_shared::ids::{KeyPoolId, ServiceId};

use crate::{Opened, database::on_both};

on_both!(
    crate::open;
    routes_round_trip,
    documents_without_fallback_and_default_limit_are_read,
);

fn service(routes: &Value) -> Service {
    let spec: ServiceSpec = patch::from_value(json!({"name": "s", "slug": "s", "routes": routes})).unwrap();
    Service { id: ServiceId::generate(), spec, stamp: Stamp::first(1) }
}

async fn routes_round_trip(Opened { store, .. }: Opened) {
    let target = json!({"pool_id": KeyPoolId::generate(), "model": "claude", "default_max_tokens": 8192});
    let mut written = service(&json!([
        {"models": ["a"], "targets": [target], "fallback_on": ["context_window", "timeout"]},
        {"models": ["b"], "targets": [target], "fallback_on": []},
    ]));
    let mut tx = store.begin_write().await.unwrap();
    services::insert(&mut tx, &written).await.unwrap();
    assert_eq!(services::by_id(&mut tx, written.id).await.unwrap().unwrap().spec, written.spec);
    written.spec.routes[0].fallback_on = None;
    written.spec.routes[1].fallback_on = Some(vec![FallbackCondition::ContentPolicy]);
    written.spec.routes[1].targets[0].default_max_tokens = None;
    written.spec.response_cache =
        Some(ResponseCache { ttl_seconds: 60, max_entry_bytes: Some(1), scope: CacheScope::Service });
    services::update(&mut tx, &written).await.unwrap();
    tx.commit().await.unwrap();
    let read = services::all(&mut store.reader().await.unwrap()).await.unwrap().remove(0);
    assert_eq!(read.spec, written.spec);
}

async fn documents_without_fallback_and_default_limit_are_read(Opened { store, .. }: Opened) {
    let pool_id = KeyPoolId::generate();
    let service = service(&json!([{"models": ["a"], "targets": [{"pool_id": pool_id}]}]));
    let document = json!({
        "routes": [{"models": ["a"], "targets": [{"pool_id": pool_id, "weight": 1, "priority": 0}]}],
        "retry": {}, "timeouts": {}, "limits": {}, "hidden_headers": [],
        "security": {"ip_allow": [], "ip_deny": [], "require_signature": false}
    });
    let mut tx = store.begin_write().await.unwrap();
    services::insert(&mut tx, &service).await.unwrap();
    let update = sqlx::query("UPDATE services SET definition = $2 WHERE id = $1");
    update.bind(service.id.to_string()).bind(document.to_string()).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let read = services::by_id(&mut store.reader().await.unwrap(), service.id).await.unwrap().unwrap();
    assert_eq!(read.spec, service.spec);
    assert_eq!(read.spec.routes[0].fallback_on, None);
    assert_eq!(read.spec.routes[0].targets[0].default_max_tokens, None);
}
