//! The control plane's REST API, as a script would use it.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::eventually::eventually;

/// An administrator who is signed in.
#[derive(Clone, Debug)]
pub struct Rest {
    client: reqwest::Client,
    origin: String,
    access_token: String,
}

impl Rest {
    /// Creates the first administrator and signs in.
    pub async fn set_up(origin: String, setup_token: &str, email: &str, password: &str) -> anyhow::Result<Self> {
        let mut rest = Self { client: client()?, origin, access_token: String::new() };
        let administrator = json!({"token": setup_token, "email": email, "password": password, "name": "End to end"});
        rest.expect(201, Method::POST, "/api/v1/setup", Some(&administrator)).await?;
        rest.sign_in(email, password).await?;
        Ok(rest)
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let credentials = json!({"email": email, "password": password});
        let session = self.expect(200, Method::POST, "/api/v1/auth/login", Some(&credentials)).await?;
        text(&session, "access_token")?.clone_into(&mut self.access_token);
        Ok(())
    }

    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.origin));
        if !self.access_token.is_empty() {
            request = request.bearer_auth(&self.access_token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.send().await?)
    }

    /// The answer's status and JSON body; `Null` for an empty one.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let response = self.send(method, path, body).await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        Ok((status, body))
    }

    pub async fn expect(&self, wanted: u16, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method.clone(), path, body).await?;
        ensure!(status == wanted, "{method} {path} answered {status}, not {wanted}: {answer}");
        Ok(answer)
    }

    pub async fn create(&self, collection: &str, body: &Value) -> anyhow::Result<Value> {
        self.expect(201, Method::POST, &format!("/api/v1/{collection}"), Some(body)).await
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.expect(200, Method::GET, &format!("/api/v1/{path}"), None).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let (status, answer) = self.call(Method::DELETE, &format!("/api/v1/{path}"), None).await?;
        ensure!((200..300).contains(&status), "DELETE {path} answered {status}: {answer}");
        Ok(())
    }

    /// The usage event of one request, as soon as it has arrived.
    pub async fn event(&self, request_id: &str, within: Duration) -> anyhow::Result<Value> {
        let path = format!("/api/v1/usage/events/{request_id}");
        eventually(&format!("usage event {request_id}"), within, async || {
            let (status, event) = self.call(Method::GET, &path, None).await?;
            ensure!(matches!(status, 200 | 404), "GET {path} answered {status}: {event}");
            Ok((status == 200).then_some(event))
        })
        .await
    }

    /// Every usage event that has arrived, page by page.
    pub async fn events(&self) -> anyhow::Result<Vec<Value>> {
        self.all("usage/events").await
    }

    /// Every item of a collection, page by page.
    pub async fn all(&self, collection: &str) -> anyhow::Result<Vec<Value>> {
        self.all_where(collection, "limit=100").await
    }

    /// The items that pass a filter, such as `state=refused`.
    pub async fn all_where(&self, collection: &str, filter: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{collection}?{filter}{after}")).await?;
            items.extend(page["items"].as_array().context("a page without `items`")?.iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }
}

/// A text field of an answer.
pub fn text<'a>(answer: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    answer[field].as_str().with_context(|| format!("no text `{field}` in {answer}"))
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?)
}
