//! What a provider stores is there for the account that made it alone. Behind a pool of several accounts each object
//! is found again, because its id says whose it is; another service can do nothing with it.

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{
    Answer, Application, Dialect, Trio, eventually::START, requests::client, rest::text, usage::expect,
};

/// The same pools for every service; keys of equal priority, so that they take turns.
async fn two_accounts() -> anyhow::Result<(Trio, Application)> {
    let trio = Trio::start().await?;
    let application = trio.application("application", 2).await?;
    for dialect in Dialect::ALL {
        for key in application.keys(dialect) {
            let path = format!("/api/v1/upstream-keys/{}", key.id);
            trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"priority": 0}))).await?;
        }
    }
    trio.in_force().await?;
    Ok((trio, application))
}

/// A second service on the first one's pools; its access key.
async fn neighbour(trio: &Trio, application: &Application) -> anyhow::Result<String> {
    let routes: Vec<Value> = [Dialect::OpenAi, Dialect::Anthropic]
        .map(|dialect| {
            let pool_id = &application.keys(dialect)[0].pool_id;
            json!({"models": [dialect.model_pattern()], "targets": [{"pool_id": pool_id}]})
        })
        .into();
    let service = json!({"name": "neighbour", "slug": "neighbour", "strategy": "round_robin", "routes": routes});
    let service = trio.rest.create("services", &service).await?;
    let key = trio.rest.create("access-keys", &json!({"service_id": service["id"], "name": "neighbour"})).await?;
    trio.in_force().await?;
    Ok(text(&key, "secret")?.to_owned())
}

/// A caller of one protocol.
struct Caller<'t> {
    trio: &'t Trio,
    dialect: Dialect,
    secret: &'t str,
}

impl Caller<'_> {
    async fn call(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send(method, &format!("http://{}{target}", self.trio.addresses.proxy), body, &[]).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, Vec<u8>)>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let (name, value) = self.dialect.credential(self.secret);
        let mut request = client()?.request(method, url).header(name, value);
        if self.dialect == Dialect::Anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }

    async fn ok(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = self.call(method.clone(), target, body).await?;
        ensure!(answer.status == 200, "{method} {target}: {} {}", answer.status, answer.text());
        answer.json()
    }

    async fn get(&self, target: &str) -> anyhow::Result<Value> {
        self.ok(Method::GET, target, None).await
    }

    async fn post(&self, target: &str, body: &Value) -> anyhow::Result<Value> {
        self.ok(Method::POST, target, Some(body)).await
    }

    async fn upload(&self, content: &str) -> anyhow::Result<Value> {
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let url = format!("http://{}/v1/files", self.trio.addresses.proxy);
        let body = ("multipart/form-data; boundary=b", form.into_bytes());
        let answer = self.send(Method::POST, &url, Some(body), &[]).await?;
        ensure!(answer.status == 200, "upload: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// The status and the error's code or type and message.
    async fn refused(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let answer = self.call(method, target, body).await?;
        ensure!(answer.status >= 400, "{target} was answered {}: {}", answer.status, answer.text());
        ensure!(self.dialect.error(&answer.json()?).is_some(), "not in the caller's shape: {}", answer.text());
        Ok((answer.status, answer.json()?["error"].clone()))
    }
}

fn openai<'t>(trio: &'t Trio, secret: &'t str) -> Caller<'t> {
    Caller { trio, dialect: Dialect::OpenAi, secret }
}

fn anthropic<'t>(trio: &'t Trio, secret: &'t str) -> Caller<'t> {
    Caller { trio, dialect: Dialect::Anthropic, secret }
}

/// The id that the provider knows, which is never shown as it is.
fn plain(id: &str) -> anyhow::Result<&str> {
    Ok(id.split_once("-tgk1_").with_context(|| format!("{id} has no tag"))?.0)
}

fn response(input: &str, previous: Option<&str>, stream: bool) -> Value {
    json!({"model": "gpt-4.1", "input": input, "previous_response_id": previous, "stream": stream})
}

/// The response objects of a stream's events.
fn streamed(answer: &Answer) -> anyhow::Result<Vec<Value>> {
    let text = answer.text();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(events.into_iter().filter_map(|event| event.get("response").cloned()).collect())
}

#[tokio::test]
async fn a_conversation_goes_on_at_the_key_where_it_began() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let mut first_keys = Vec::new();
    for _ in 0..4 {
        let answer = caller.call(Method::POST, "/v1/responses", Some(&response("one", None, false))).await?;
        let first = trio.rest.event(answer.request_id()?, START).await?;
        first_keys.push(first["upstream_key_id"].clone());
        let mut previous = text(&answer.json()?, "id")?.to_owned();
        for turn in 0..10 {
            let stream = turn % 2 == 1;
            let request = response("and?", Some(&previous), stream);
            let answer = caller.call(Method::POST, "/v1/responses", Some(&request)).await?;
            ensure!(answer.status == 200, "turn {turn}: {} {}", answer.status, answer.text());
            let shown = if stream { streamed(&answer)? } else { vec![answer.json()?] };
            ensure!(shown.len() == if stream { 3 } else { 1 }, "{}", answer.text());
            // An id looks the same wherever it is shown.
            let next = text(&shown[0], "id")?.to_owned();
            for object in &shown {
                ensure!(object["previous_response_id"] == *previous, "{object}");
                ensure!(object["id"] == *next, "{object}");
            }
            let event = trio.rest.event(answer.request_id()?, START).await?;
            expect(&event, "/upstream_key_id", &first["upstream_key_id"])?;
            expect(&event, "/attempts/0/reason", &json!("pinned"))?;
            previous = next;
        }
    }
    first_keys.dedup();
    ensure!(first_keys.len() > 1, "the keys do not take turns");
    let seen = trio.simulator.requests(0).await?;
    ensure!(seen.iter().all(|request| !String::from_utf8_lossy(&request.body).contains("tgk1")));
    Ok(())
}

#[tokio::test]
async fn a_stored_response_is_found_and_deleted() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    for _ in 0..3 {
        let made = caller.post("/v1/responses", &response("keep me", None, false)).await?;
        let path = format!("/v1/responses/{}", text(&made, "id")?);
        ensure!(caller.get(&path).await? == made);
        let deleted = caller.ok(Method::DELETE, &path, None).await?;
        ensure!(deleted["id"] == made["id"] && deleted["deleted"] == true, "{deleted}");
        ensure!(caller.refused(Method::GET, &path, None).await?.0 == 404);
    }
    let mut unstored = response("forget me", None, false);
    unstored["store"] = json!(false);
    let made = caller.post("/v1/responses", &unstored).await?;
    ensure!(!text(&made, "id")?.contains("tgk1"), "{made}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_passed_on_in_pieces_has_its_tags_too() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let mut request = response("a long one", None, false);
    request["instructions"] = json!("be brief ".repeat(40_000));
    for _ in 0..2 {
        let made = caller.post("/v1/responses", &request).await?;
        ensure!(made["instructions"] == request["instructions"]);
        plain(text(&made, "id")?)?;
        request["previous_response_id"] = made["id"].clone();
    }
    Ok(())
}

#[tokio::test]
async fn a_file_becomes_a_batch_and_its_results() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let line = json!({"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body":
        {"model": "gpt-4.1", "messages": [{"role": "user", "content": "batched"}]}});
    let file = caller.upload(&format!("{line}\n")).await?;
    let file_id = text(&file, "id")?;
    // From now on another key is the first: what is stored is found all the same.
    let first = &application.keys(Dialect::OpenAi)[0].id;
    trio.rest
        .expect(200, Method::PATCH, &format!("/api/v1/upstream-keys/{first}"), Some(&json!({"priority": 9})))
        .await?;
    trio.in_force().await?;
    ensure!(caller.get(&format!("/v1/files/{file_id}")).await?["id"] == file_id);
    let create = json!({"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": {"input_file_id": file_id}});
    let batch = caller.post("/v1/batches", &create).await?;
    ensure!(batch["input_file_id"] == file_id, "{batch}");
    ensure!(batch["metadata"]["input_file_id"] == file_id, "the caller's own data changed: {batch}");
    let path = format!("/v1/batches/{}", text(&batch, "id")?);
    caller.get(&path).await?;
    let done = caller.get(&path).await?;
    ensure!(done["status"] == "completed" && done["id"] == batch["id"], "{done}");
    let output = text(&done, "output_file_id")?;
    plain(output)?;
    let content = caller.call(Method::GET, &format!("/v1/files/{output}/content"), None).await?;
    ensure!(content.status == 200 && content.json()?["custom_id"] == "one", "{}", content.text());
    // A list goes on at the key of the object behind which it goes on.
    let second = caller.post("/v1/batches", &create).await?;
    let page = caller.get(&format!("/v1/batches?limit=1&after={}", text(&second, "id")?)).await?;
    ensure!(page["data"][0]["id"] == batch["id"] && page["last_id"] == batch["id"], "{page}");
    let cancelled = caller.ok(Method::POST, &format!("/v1/batches/{}/cancel", text(&second, "id")?), None).await?;
    ensure!(cancelled["status"] == "cancelled" && cancelled["id"] == second["id"], "{cancelled}");
    let chat = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content":
        [{"type": "text", "text": "read"}, {"type": "file", "file": {"file_id": file_id}}]}]});
    for _ in 0..4 {
        caller.post("/v1/chat/completions", &chat).await?;
    }
    let deleted = caller.ok(Method::DELETE, &format!("/v1/files/{file_id}"), None).await?;
    ensure!(deleted["id"] == file_id, "{deleted}");
    Ok(())
}

#[tokio::test]
async fn results_of_a_message_batch_are_fetched_where_the_batch_says() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = anthropic(&trio, &application.secret);
    let params =
        json!({"model": "claude-sonnet-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": "a"}]});
    let create = json!({"requests": [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": params}]});
    let batch = caller.post("/v1/messages/batches", &create).await?;
    let path = format!("/v1/messages/batches/{}", text(&batch, "id")?);
    caller.get(&path).await?;
    let ended = caller.get(&path).await?;
    ensure!(ended["processing_status"] == "ended" && ended["id"] == batch["id"], "{ended}");
    let url = text(&ended, "results_url")?;
    ensure!(url == format!("http://{}{path}/results", trio.addresses.proxy), "{url}");
    let results = caller.send(Method::GET, url, None, &[]).await?;
    let lines: Vec<Value> = results.text().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(results.status == 200 && lines.len() == 2, "{} {}", results.status, results.text());
    ensure!(lines[0]["result"]["type"] == "succeeded", "{}", lines[0]);
    // Behind a TLS terminator the URL is one of its own.
    let proxied = [("host", "gateway.test"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "elsewhere.test")];
    let ended = caller.send(Method::GET, &format!("http://{}{path}", trio.addresses.proxy), None, &proxied).await?;
    ensure!(ended.json()?["results_url"] == format!("https://gateway.test{path}/results"), "{}", ended.text());

    let second = caller.post("/v1/messages/batches", &create).await?;
    let second_path = format!("/v1/messages/batches/{}", text(&second, "id")?);
    let cancelled = caller.ok(Method::POST, &format!("{second_path}/cancel"), None).await?;
    ensure!(cancelled["processing_status"] == "ended" && cancelled["id"] == second["id"], "{cancelled}");
    let list = caller.get(&format!("/v1/messages/batches?after_id={}", text(&second, "id")?)).await?;
    ensure!(list["data"][0]["id"] == batch["id"] && list["first_id"] == batch["id"], "{list}");
    let deleted = caller.ok(Method::DELETE, &second_path, None).await?;
    ensure!(deleted["id"] == second["id"], "{deleted}");
    ensure!(caller.refused(Method::GET, &second_path, None).await?.0 == 404);
    Ok(())
}

#[tokio::test]
async fn another_service_can_do_nothing_with_an_id() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let stranger = neighbour(&trio, &application).await?;
    let (owner, stranger) = (openai(&trio, &application.secret), openai(&trio, &stranger));
    let made = owner.post("/v1/responses", &response("mine", None, false)).await?;
    let (file, other_file) = (owner.upload("x").await?, stranger.upload("y").await?);
    let (response_id, file_id) = (text(&made, "id")?, text(&file, "id")?);
    let moved = file_id.replace(plain(file_id)?, plain(text(&other_file, "id")?)?);
    let cut = &file_id[..file_id.len() - 1];
    let newest = trio.simulator.newest().await?;
    let batch = |id: &str| json!({"input_file_id": id, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    for (caller, method, target, body, field) in [
        (&stranger, Method::GET, format!("/v1/responses/{response_id}"), None, "id"),
        (&stranger, Method::DELETE, format!("/v1/files/{file_id}"), None, "id"),
        (&stranger, Method::GET, format!("/v1/files?after={file_id}"), None, "after"),
        (&stranger, Method::POST, "/v1/batches".to_owned(), Some(batch(file_id)), "input_file_id"),
        (
            &stranger,
            Method::POST,
            "/v1/responses".to_owned(),
            Some(response("x", Some(response_id), false)),
            "previous_response_id",
        ),
        // A tag belongs to its id, and is whole.
        (&owner, Method::GET, format!("/v1/files/{moved}"), None, "id"),
        (&owner, Method::GET, format!("/v1/files/{cut}"), None, "id"),
        (&owner, Method::POST, "/v1/batches".to_owned(), Some(batch(cut)), "input_file_id"),
    ] {
        let (status, error) = caller.refused(method, &target, body.as_ref()).await?;
        ensure!(status == 404 && error["code"] == "not_found" && error["param"] == field, "{target}: {error}");
    }
    ensure!(trio.simulator.newest().await? == newest, "something of it was sent upstream");
    Ok(())
}

#[tokio::test]
async fn objects_of_different_keys_do_not_go_together() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = caller.post("/v1/responses", &response("one", None, false)).await?;
        ids.push(text(&made, "id")?.to_owned());
    }
    let body = json!({"model": "gpt-4.1", "input": [{"type": "item_reference", "id": ids[1]}],
        "previous_response_id": ids[0]});
    let (status, error) = caller.refused(Method::POST, "/v1/responses", Some(&body)).await?;
    ensure!(status == 400 && ["id", "previous_response_id"].contains(&text(&error, "param")?), "{error}");
    Ok(())
}

#[tokio::test]
async fn nobody_stands_in_for_the_key_of_an_object() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let answer = caller.call(Method::POST, "/v1/responses", Some(&response("one", None, false))).await?;
    let key_id = trio.rest.event(answer.request_id()?, START).await?["upstream_key_id"].clone();
    let answer = answer.json()?;
    let next = response("two", Some(text(&answer, "id")?), false);
    let key = application.keys(Dialect::OpenAi).iter().find(|key| key_id == *key.id).context("an unknown key")?;
    for (fault, status) in [(429, 429), (500, 502), (401, 502)] {
        let kind = json!({"kind": "status", "status": fault});
        trio.simulator.fault(json!({"key": key.secret}), Some(1), kind).await?;
        let answer = caller.call(Method::POST, "/v1/responses", Some(&next)).await?;
        ensure!(answer.status == status, "{fault}: {} {}", answer.status, answer.text());
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(event["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1), "{event}");
        expect(&event, "/attempts/0/reason", &json!("pinned"))?;
    }
    let path = format!("upstream-keys/{}", key.id);
    trio.rest.delete(&path).await?;
    trio.in_force().await?;
    let (status, error) = caller.refused(Method::POST, "/v1/responses", Some(&next)).await?;
    ensure!((status, text(&error, "code")?) == (404, "upstream_key_gone"), "{error}");
    ensure!(error["param"] == "previous_response_id", "{error}");
    Ok(())
}

#[tokio::test]
async fn an_id_from_elsewhere_goes_where_it_always_went() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let caller = openai(&trio, &application.secret);
    let file = caller.upload("x").await?;
    let file_id = plain(text(&file, "id")?)?;
    for _ in 0..3 {
        ensure!(caller.get(&format!("/v1/files/{file_id}")).await?["id"] == file["id"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_model_keeps_its_name_at_the_provider() -> anyhow::Result<()> {
    let (trio, application) = two_accounts().await?;
    let pool_id = &application.keys(Dialect::OpenAi)[0].pool_id;
    let service = json!({"name": "renamed", "slug": "renamed", "strategy": "round_robin",
        "routes": [{"models": ["alias"], "targets": [{"pool_id": pool_id, "model": "gpt-4.1-mini"}]}]});
    let service = trio.rest.create("services", &service).await?;
    let key = json!({"service_id": service["id"], "name": "renamed", "models": ["alias"]});
    let key = trio.rest.create("access-keys", &key).await?;
    trio.in_force().await?;
    let caller = openai(&trio, text(&key, "secret")?);
    let mut request = json!({"model": "alias", "input": "one"});
    let made = caller.post("/v1/responses", &request).await?;
    let newest = trio.simulator.newest().await?;
    request["previous_response_id"] = made["id"].clone();
    caller.post("/v1/responses", &request).await?;
    let received = trio.simulator.only_request(newest).await?;
    let sent = request.to_string().replace("alias", "gpt-4.1-mini");
    let id = text(&made, "id")?;
    ensure!(String::from_utf8(received.body)? == sent.replace(id, plain(id)?));
    request["model"] = json!("gpt-4.1");
    let (status, error) = caller.refused(Method::POST, "/v1/responses", Some(&request)).await?;
    ensure!((status, text(&error, "code")?) == (404, "model_not_found"), "{error}");
    Ok(())
}
