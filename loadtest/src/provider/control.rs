//! The control endpoints under `/__sim/`, which a gateway never forwards to.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::FaultRule;
use super::incoming::Incoming;
use super::plan::{Draft, Protocol};
use super::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadKeys {
    keys: Vec<String>,
}

pub(crate) fn answer(shared: &Arc<Shared>, incoming: &Incoming) -> Draft {
    let (status, body) = match (incoming.method(), incoming.path()) {
        ("GET", "/__sim/health") => (200, json!({ "status": "ok" })),
        ("POST", "/__sim/faults") => match serde_json::from_slice::<FaultRule>(&incoming.body) {
            Ok(rule) => (201, json!({ "id": shared.faults.add(rule) })),
            Err(error) => (400, json!({ "error": error.to_string() })),
        },
        ("GET", "/__sim/faults") => (200, json!({ "faults": shared.faults.list() })),
        ("DELETE", "/__sim/faults") => {
            shared.faults.clear();
            (200, json!({}))
        }
        ("PUT", "/__sim/bad-keys") => match serde_json::from_slice::<BadKeys>(&incoming.body) {
            Ok(bad) => {
                *shared.bad_keys.write() = bad.keys.into_iter().collect();
                (200, json!({}))
            }
            Err(error) => (400, json!({ "error": error.to_string() })),
        },
        ("GET", "/__sim/requests") => {
            let after = incoming.parameter("after").and_then(|after| after.parse().ok()).unwrap_or(0);
            (200, serde_json::to_value(shared.log.after(after)).unwrap_or(Value::Null))
        }
        ("DELETE", "/__sim/requests") => {
            shared.log.clear();
            shared.counters.reset();
            (200, json!({}))
        }
        ("GET", "/__sim/stats") => (200, serde_json::to_value(shared.counters.read()).unwrap_or(Value::Null)),
        (method, path) => (404, json!({ "error": format!("no control endpoint {method} {path}") })),
    };
    let draft = Draft::bytes(Protocol::OpenAi, "application/json", body.to_string().into_bytes());
    Draft { bare: true, ..draft.status(status) }
}
