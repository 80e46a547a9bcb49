//! Nothing that was planted as a secret is found in the database, in clear or in base64.

use admin_svc::{
    app::{App, OpenError, Rotation, rotate_master_key},
    crypto::envelope::MasterKey,
    store::upstream_keys,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    database::{Database, on_both},
    server::{PASSWORD, Server, options, send},
};

#[tokio::test]
async fn planted_secrets_are_not_in_the_database_files() {
    let server = Server::start(Database::sqlite()).await;
    let admin = server.admin().await;
    let service = admin.service("chat").await;
    let pool = &service["routes"][0]["targets"][0]["pool_id"];
    let canary = "sk-canary-in-the-mine-0123456789";
    admin.create("/api/v1/upstream-keys", &json!({"pool_id": pool, "name": "k", "secret": canary})).await;
    let create = admin.request(Method::POST, "/api/v1/access-keys").header("idempotency-key", "k");
    let key = send(create.json(&json!({"service_id": service["id"], "name": "a"}))).await.expect(StatusCode::CREATED);
    let login = json!({"email": "admin@example.com", "password": PASSWORD});
    let session = admin.post("/api/v1/auth/login?client=cli", &login).await.expect(StatusCode::OK);
    let pepper = server.app.access_key_pepper().await.unwrap();
    let mut found_files = 0;
    for entry in std::fs::read_dir(server.database.folder().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        found_files += 1;
        let text = |value: &serde_json::Value| value.as_str().unwrap().as_bytes().to_vec();
        for secret in [
            canary.as_bytes().to_vec(),
            text(&key["secret"]),
            text(&session["refresh_token"]),
            text(&session["access_token"]),
            PASSWORD.as_bytes().to_vec(),
            pepper.to_vec(),
        ] {
            for form in [STANDARD.encode(&secret).trim_end_matches('=').as_bytes().to_vec(), secret] {
                assert!(!bytes.windows(form.len()).any(|window| window == form), "{}", String::from_utf8_lossy(&form));
            }
        }
    }
    assert!(found_files >= 2, "the database and its log were looked at");
}

on_both!(crate::server::Server::start; rotated_master_key_opens_everything);

async fn rotated_master_key_opens_everything(server: Server) {
    let admin = server.admin().await;
    let pool = admin.pool("pool").await;
    let body = json!({"pool_id": pool["id"], "name": "k", "secret": "sk-kept-secret-0001"});
    admin.create("/api/v1/upstream-keys", &body).await;
    let (old, new) = (MasterKey::from_bytes([7; 32]), MasterKey::from_bytes([8; 32]));
    let pepper = server.app.access_key_pepper().await.unwrap();
    let url = server.database.url();
    let rotation = rotate_master_key(&url, old.clone(), new.clone()).await.unwrap();
    assert_eq!(rotation, Rotation { settings: 5, upstream_keys: 1 });
    assert_eq!(rotate_master_key(&url, old.clone(), new.clone()).await.unwrap(), Rotation::default());
    let mut options = options(&server.database, &server.clock);
    assert!(App::open(options.clone()).await.is_err(), "the old key opens nothing any more");
    options.master_key = new;
    let app = App::open(options).await.unwrap();
    let keys = upstream_keys::all(&mut app.store().reader().await.unwrap()).await.unwrap();
    assert_eq!(keys[0].unseal(app.keyring()).unwrap().expose(), "sk-kept-secret-0001");
    assert_eq!(app.access_key_pepper().await.unwrap(), pepper);
}

#[tokio::test]
async fn another_master_key_does_not_open_the_database() {
    let server = Server::start(Database::sqlite()).await;
    let mut options = options(&server.database, &server.clock);
    App::open(options.clone()).await.unwrap();
    options.master_key = MasterKey::from_bytes([8; 32]);
    let error = App::open(options).await.unwrap_err();
    assert!(matches!(error, OpenError::Sealed { name: "access_key_pepper", .. }), "{error}");
}
