//! Planted secrets are found in no file, no log line, no error and no answer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::json;
use tollgate_tests::{Application, Dialect, Trio, eventually::START, trio::Settings};

/// What must not be seen, by name, and everything that was seen.
#[derive(Default)]
struct Search {
    secrets: Vec<(String, String)>,
    findings: Vec<String>,
}

impl Search {
    fn plant(&mut self, name: &str, secret: &str) {
        let hexadecimal = secret.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        self.secrets.push((name.to_owned(), secret.to_owned()));
        self.secrets.push((format!("{name}, base64"), STANDARD.encode(secret).trim_end_matches('=').to_owned()));
        self.secrets.push((format!("{name}, hexadecimal"), hexadecimal));
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        for (name, secret) in &self.secrets {
            if contains(bytes, secret.as_bytes()) {
                self.findings.push(format!("{name} is in {place}"));
            }
        }
    }

    fn look_in_files(&mut self, directory: &Path) -> anyhow::Result<usize> {
        let files = files(directory)?;
        for file in &files {
            self.look(&file.display().to_string(), &fs::read(file)?);
        }
        Ok(files.len())
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn the_search_finds_what_is_there() {
    let mut search = Search::default();
    search.plant("key", "sk-canary-0123456789");
    search.look("a log", b"...sk-canary-0123456789...");
    search.look("a header", STANDARD.encode("sk-canary-0123456789").as_bytes());
    assert_eq!(search.findings, ["key is in a log", "key, base64 is in a header"]);
}

#[tokio::test]
async fn planted_secrets_are_found_nowhere() -> anyhow::Result<()> {
    let debug = vec![("TOLLGATE_LOG", "debug".to_owned())];
    let mut trio = Trio::start_with(Settings { admin: debug.clone(), proxy: debug }).await?;
    let application = trio.application("application", 2).await?;
    let mut search = Search::default();
    search.plant("the setup token", &trio.secrets.setup_token);
    search.plant("the join token", &trio.secrets.join_token);
    search.plant("the password", &trio.secrets.password);
    search.plant("the administrator's access token", trio.rest.access_token());
    search.plant("the access key", &application.secret);
    for dialect in Dialect::ALL {
        for key in application.keys(dialect) {
            search.plant("an upstream key", &key.secret);
        }
    }

    traffic(&trio, &application, &mut search).await?;
    control_plane(&trio, &application, &mut search).await?;

    // Everything that either service writes when it starts, ends and starts again.
    trio.kill_admin()?;
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    trio.start_admin().await?;
    trio.in_force().await?;
    traffic(&trio, &application, &mut search).await?;

    for directory in [trio.admin_data(), trio.proxy_data()] {
        ensure!(search.look_in_files(&directory)? > 0, "{} is empty", directory.display());
    }
    for service in ["admin-svc", "proxy-svc"] {
        search.look(&format!("the log of {service}"), trio.log(service).as_bytes());
    }
    ensure!(search.findings.is_empty(), "{:#?}", search.findings);
    Ok(())
}

/// Answers of every kind, with providers that put the key into their errors.
async fn traffic(trio: &Trio, application: &Application, search: &mut Search) -> anyhow::Result<()> {
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let answer = trio.send(&application.chat(dialect, stream)).await?;
            ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
            search.look("an answer", &answer.body);
            search.look("an answer's headers", format!("{:?}", answer.headers).as_bytes());
        }
        let mut by_query = application.chat(dialect, false);
        by_query.headers.retain(|(name, _)| name == "content-type");
        by_query.path = format!("{}?key={}", by_query.path, application.secret);
        search.look("an answer", &trio.send(&by_query).await?.body);

        for status in [400, 401, 403, 429, 500] {
            for key in application.keys(dialect) {
                let message = format!("the key {} is not welcome", key.secret);
                let body = match dialect {
                    Dialect::OpenAi => json!({"error": {"message": message, "type": "x", "param": null, "code": "x"}}),
                    Dialect::Anthropic => json!({"type": "error", "error": {"type": "x", "message": message}}),
                    Dialect::Gemini => json!({"error": {"code": status, "message": message, "status": "X"}}),
                };
                let model = format!("{}-{status}", dialect.model());
                let fault = json!({"kind": "status", "status": status, "body": body});
                trio.simulator.fault(json!({"key": key.secret, "model": model}), None, fault).await?;
            }
            let mut call = application.chat(dialect, false);
            let model = format!("{}-{status}", dialect.model());
            call.path = dialect.chat_path(&model, false);
            call.body = dialect.chat_body(&model, false).to_string().into();
            let answer = trio.send(&call).await?;
            search.look(&format!("the answer to an upstream {status} ({dialect:?})"), &answer.body);
            let event = trio.rest.event(answer.request_id()?, START).await?;
            search.look("a usage event", event.to_string().as_bytes());
        }
        trio.simulator.clear_faults().await?;

        let mut unknown = application.chat(dialect, false);
        unknown.body = "{\"model\": ".into();
        search.look("a refusal", &trio.send(&unknown).await?.body);
    }
    Ok(())
}

/// What the REST API shows of its resources, and how it refuses.
async fn control_plane(trio: &Trio, application: &Application, search: &mut Search) -> anyhow::Result<()> {
    let key = &application.keys(Dialect::OpenAi)[0];
    for path in [
        "upstream-keys",
        &format!("upstream-keys/{}", key.id),
        "access-keys",
        &format!("access-keys/{}", application.access_key_id),
        "services",
        "providers",
        "key-pools",
        "users",
        "audit-events",
        "usage/events",
        "proxies",
    ] {
        let answer = trio.rest.get(path).await.with_context(|| path.to_owned())?;
        search.look(path, answer.to_string().as_bytes());
    }
    let again = json!({"pool_id": key.pool_id, "name": "again", "secret": key.secret, "weight": 1});
    let wrong = json!({"pool_id": key.pool_id, "name": 5, "secret": key.secret});
    for body in [again, wrong] {
        let (_, answer) = trio.rest.call(Method::POST, "/api/v1/upstream-keys", Some(&body)).await?;
        search.look("the refusal of an upstream key", answer.to_string().as_bytes());
    }
    let credentials = json!({"email": "nobody@example.test", "password": trio.secrets.password});
    let (status, answer) = trio.rest.call(Method::POST, "/api/v1/auth/login", Some(&credentials)).await?;
    ensure!(status == 401, "log-in of nobody was answered {status}");
    search.look("a refused log-in", answer.to_string().as_bytes());
    let setup =
        json!({"token": trio.secrets.setup_token, "email": "x@example.test", "password": trio.secrets.password});
    let (status, answer) = trio.rest.call(Method::POST, "/api/v1/setup", Some(&setup)).await?;
    ensure!((400..500).contains(&status), "a second setup was answered {status}");
    search.look("a refused setup", answer.to_string().as_bytes());
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn stored_files_are_readable_by_their_owner_only() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let (trio, application) = Trio::with_application().await?;
    trio.send(&application.chat(Dialect::OpenAi, false)).await?;
    for directory in [trio.admin_data(), trio.proxy_data()] {
        let closed = |mode: u32| mode.trailing_zeros() >= 6;
        let directory_is_closed = closed(fs::metadata(&directory)?.permissions().mode());
        for file in files(&directory)? {
            let mode = fs::metadata(&file)?.permissions().mode();
            ensure!(closed(mode) || directory_is_closed, "{} has mode {mode:o}", file.display());
        }
    }
    Ok(())
}
