//! Prices, the one currency, and how a budget stands.

use admin_svc::app::App;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_shared::money::Currency;

use crate::{
    database::on_both,
    server::{Server, at, options, send},
};

const PRICES: &str = "/api/v1/prices";

on_both!(
    crate::server::Server::start;
    price_is_made_read_changed_and_deleted,
    bad_prices_are_named,
    the_same_price_twice_is_refused,
    repeated_create_gets_the_first_answer,
    priced_provider_is_not_deleted,
    the_first_price_fixes_the_currency,
    budgets_are_in_the_currency_of_the_installation,
);

fn gpt() -> Value {
    json!({"model": "gpt-4.1*", "currency": "USD", "input": "2", "output": "8.00", "cache_read": "0.5"})
}

async fn price_is_made_read_changed_and_deleted(server: Server) {
    let admin = server.admin().await;
    let answer = admin.post(PRICES, &gpt()).await;
    assert_eq!(answer.header("etag"), "\"1\"");
    let path = answer.header("location").to_owned();
    let made = answer.expect(StatusCode::CREATED);
    assert_eq!((&made["input"], &made["cache_read"]), (&json!("2.00"), &json!("0.50")));
    assert_eq!((&made["provider_id"], &made["input_audio"]), (&Value::Null, &Value::Null));
    assert_eq!(admin.get(&path).await.expect(StatusCode::OK), made);
    assert_eq!(admin.get(PRICES).await.expect(StatusCode::OK)["items"], json!([made]));
    let answer = admin.patch(&path, &json!({"cache_read": null, "output": "9.5"})).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let changed = answer.expect(StatusCode::OK);
    assert_eq!((&changed["output"], &changed["cache_read"]), (&json!("9.50"), &Value::Null));
    let stale = admin.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({"input": "3"}));
    send(stale).await.refused(412, "stale");
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
    admin.get(&path).await.refused(404, "not-found");
    let events = admin.get("/api/v1/audit-events").await.expect(StatusCode::OK);
    let actions: Vec<&str> =
        events["items"].as_array().unwrap().iter().filter_map(|event| event["action"].as_str()).collect();
    assert!(["price.delete", "price.update", "price.create"].iter().all(|action| actions.contains(action)));
}

async fn bad_prices_are_named(server: Server) {
    let admin = server.admin().await;
    for (field, value) in [
        ("model", json!("")),
        ("model", Value::Null),
        ("currency", json!("EUR")),
        ("input", json!("-1")),
        ("input", json!(2)),
        ("output", json!("1e3")),
        ("cache_read", json!("0.0000001")),
        ("provider_id", json!("openai")),
        ("provider_id", json!("0190a5b8-0000-7000-8000-000000000000")),
        ("colour", json!("red")),
    ] {
        let mut body = gpt();
        body[field] = value;
        assert_eq!(admin.post(PRICES, &body).await.refused(422, "validation"), [field], "{body}");
    }
}

async fn the_same_price_twice_is_refused(server: Server) {
    let admin = server.admin().await;
    admin.create(PRICES, &gpt()).await;
    assert_eq!(admin.post(PRICES, &gpt()).await.refused(409, "taken"), ["model"]);
    let provider = admin.provider("p").await;
    let mut own = gpt();
    own["provider_id"] = provider["id"].clone();
    let own_price = admin.create(PRICES, &own).await;
    assert_eq!(admin.post(PRICES, &own).await.refused(409, "taken"), ["model"]);
    let anybodys = admin.patch(&at(PRICES, &own_price), &json!({"provider_id": null})).await;
    assert_eq!(anybodys.refused(409, "taken"), ["model"]);
}

async fn repeated_create_gets_the_first_answer(server: Server) {
    let admin = server.admin().await;
    let create = || send(admin.request(Method::POST, PRICES).header("idempotency-key", "once").json(&gpt()));
    let first = create().await.expect(StatusCode::CREATED);
    assert_eq!(create().await.expect(StatusCode::CREATED), first);
}

async fn priced_provider_is_not_deleted(server: Server) {
    let admin = server.admin().await;
    let provider = admin.provider("p").await;
    let mut price = gpt();
    price["provider_id"] = provider["id"].clone();
    let price = admin.create(PRICES, &price).await;
    let path = at("/api/v1/providers", &provider);
    let refused = admin.delete(&path).await;
    refused.refused(409, "in-use");
    assert!(refused.text.contains("1 price (gpt-4.1*)"), "{}", refused.text);
    admin.delete(&at(PRICES, &price)).await.expect(StatusCode::NO_CONTENT);
    admin.delete(&path).await.expect(StatusCode::NO_CONTENT);
}

async fn the_first_price_fixes_the_currency(server: Server) {
    let mut other = options(&server.database, &server.clock);
    other.currency = "EUR".parse::<Currency>().unwrap();
    assert!(App::open(other.clone()).await.is_ok(), "nothing was priced yet");
    let price = server.admin().await.create(PRICES, &gpt()).await;
    assert_eq!(price["currency"], "USD");
    let error = App::open(other).await.unwrap_err().to_string();
    assert!(error.starts_with("currency:"), "{error}");
}

async fn budgets_are_in_the_currency_of_the_installation(server: Server) {
    let admin = server.admin().await;
    let service = admin.service("s").await;
    let (path, service) = (at("/api/v1/services", &service), service["id"].clone());
    let euros = json!({"budget": {"amount": "5", "currency": "EUR", "period": "day"}});
    assert_eq!(admin.patch(&path, &euros).await.refused(422, "validation"), ["budget.currency"]);
    admin.get(&format!("{path}/budget")).await.refused(404, "not-found");
    let dollars = json!({"budget": {"amount": "5", "currency": "USD", "period": "month", "lease": "single"}});
    let changed = admin.patch(&path, &dollars).await.expect(StatusCode::OK);
    assert_eq!((&changed["budget"]["lease"], &changed["budget"]["hard"]), (&json!("single"), &json!(true)));
    let standing = admin.get(&format!("{path}/budget")).await.expect(StatusCode::OK);
    let expected = json!({"amount": "5.00", "currency": "USD", "period": "month", "hard": true, "lease": "single",
        "period_start": "2026-11-01T00:00:00Z", "period_end": "2026-12-01T00:00:00Z", "spent": "0.00", "leased": "0.00",
        "remaining": "5.00", "overshoot_bound": "0.00"});
    assert_eq!(standing, expected);
    let mut key = json!({"service_id": service, "name": "k"});
    key["budget"] = euros["budget"].clone();
    assert_eq!(admin.post("/api/v1/access-keys", &key).await.refused(422, "validation"), ["budget.currency"]);
    key["budget"] = json!({"amount": "5", "currency": "USD", "period": "total", "hard": false});
    let key = admin.create("/api/v1/access-keys", &key).await;
    let path = format!("{}/budget", at("/api/v1/access-keys", &key));
    let standing = admin.get(&path).await.expect(StatusCode::OK);
    assert_eq!((&standing["period_start"], &standing["hard"]), (&Value::Null, &json!(false)));
    // Another's is not there for a member.
    server.user(&admin, "member").await.get(&path).await.refused(404, "not-found");
}
