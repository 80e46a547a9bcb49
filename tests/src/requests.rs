//! One request of an application, in any of the three protocols, and its answer as bytes.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

/// The protocol that an application speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// Around all three.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::OpenAi => Self::Anthropic,
            Self::Anthropic => Self::Gemini,
            Self::Gemini => Self::OpenAi,
        }
    }

    /// As `kind` of a provider and `protocol` of a usage event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    pub const fn model(self) -> &'static str {
        match self {
            Self::OpenAi => "gpt-4.1",
            Self::Anthropic => "claude-sonnet-4-6",
            Self::Gemini => "gemini-2.5-flash",
        }
    }

    pub const fn model_pattern(self) -> &'static str {
        match self {
            Self::OpenAi => "gpt-*",
            Self::Anthropic => "claude-*",
            Self::Gemini => "gemini-*",
        }
    }

    /// The header in which its SDK sends the key.
    pub fn credential(self, key: &str) -> (&'static str, String) {
        match self {
            Self::OpenAi => ("authorization", format!("Bearer {key}")),
            Self::Anthropic => ("x-api-key", key.to_owned()),
            Self::Gemini => ("x-goog-api-key", key.to_owned()),
        }
    }

    pub fn chat_path(self, model: &str, stream: bool) -> String {
        match self {
            Self::OpenAi => "/v1/chat/completions".to_owned(),
            Self::Anthropic => "/v1/messages".to_owned(),
            Self::Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Self::Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    pub fn chat_body(self, model: &str, stream: bool) -> Value {
        let question = "How long is the coast of Norway?";
        match self {
            Self::OpenAi if stream => json!({"model": model, "messages": [{"role": "user", "content": question}],
                "stream": true, "stream_options": {"include_usage": true}}),
            Self::OpenAi => json!({"model": model, "messages": [{"role": "user", "content": question}]}),
            Self::Anthropic => json!({"model": model, "max_tokens": 256, "stream": stream,
                "messages": [{"role": "user", "content": question}]}),
            Self::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": question}]}]}),
        }
    }

    /// The error's type in this protocol's shape, and its message; `None` when the shape is not this protocol's.
    pub fn error(self, body: &Value) -> Option<(String, String)> {
        let error = body.get("error")?;
        let message = error.get("message")?.as_str()?.to_owned();
        let kind = match self {
            Self::OpenAi => {
                error.get("param")?;
                error.get("code")?;
                error.get("type")?.as_str()?
            }
            Self::Anthropic => {
                (body.get("type")?.as_str()? == "error").then_some(())?;
                error.get("type")?.as_str()?
            }
            Self::Gemini => {
                error.get("code")?.as_u64()?;
                error.get("status")?.as_str()?
            }
        };
        Some((kind.to_owned(), message))
    }

    /// The error that ends a stream, in the form in which the protocol's SDK takes it for one.
    pub fn last_error(self, stream: &str) -> Option<(String, String)> {
        let stream = stream.replace("\r\n", "\n");
        let last = stream.trim_end().rsplit("\n\n").next()?;
        let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(last);
        if self == Self::Anthropic && !last.lines().any(|line| line == "event: error") {
            return None;
        }
        self.error(&serde_json::from_str(data).ok()?)
    }

    /// What a caller of this protocol reads in an answer, whole or streamed.
    pub fn said(self, stream: bool, answer: &Answer) -> anyhow::Result<String> {
        if !stream {
            return Ok(self.piece(false, &answer.json()?));
        }
        let text = answer.text();
        let events = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        events.map(|data| Ok(self.piece(true, &serde_json::from_str(data).with_context(|| data.to_owned())?))).collect()
    }

    /// The text in a whole answer, or in an event of a stream; empty where there is none.
    fn piece(self, stream: bool, value: &Value) -> String {
        let pointer = match (self, stream) {
            (Self::OpenAi, false) => "/choices/0/message/content",
            (Self::OpenAi, true) => "/choices/0/delta/content",
            (Self::Anthropic, false) => "/content/0/text",
            (Self::Anthropic, true) => "/delta/text",
            (Self::Gemini, _) => "/candidates/0/content/parts/0/text",
        };
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub dialect: Dialect,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Call {
    /// A question to a model, with the key in the header that the protocol's SDK uses.
    pub fn chat(dialect: Dialect, key: &str, model: &str, stream: bool) -> Self {
        let body = dialect.chat_body(model, stream).to_string();
        Self::post(dialect, key, dialect.chat_path(model, stream), body)
    }

    pub fn post(dialect: Dialect, key: &str, path: String, body: impl Into<Bytes>) -> Self {
        let (name, value) = dialect.credential(key);
        let mut headers = vec![(name.to_owned(), value), ("content-type".to_owned(), "application/json".to_owned())];
        if dialect == Dialect::Anthropic {
            headers.push(("anthropic-version".to_owned(), "2023-06-01".to_owned()));
        }
        Self { dialect, path, headers, body: body.into() }
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self, address: SocketAddr) -> anyhow::Result<Answer> {
        self.send_with(&client()?, address).await
    }

    /// The same on a client with a pool of connections.
    pub async fn send_with(&self, client: &reqwest::Client, address: SocketAddr) -> anyhow::Result<Answer> {
        let mut request = client.post(format!("http://{address}{}", self.path)).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }
}

/// A client that neither retries nor follows redirects nor asks a proxy of its own.
pub fn client() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2));
    Ok(builder.redirect(reqwest::redirect::Policy::none()).build()?)
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn request_id(&self) -> anyhow::Result<&str> {
        self.header("x-request-id").context("an answer without x-request-id")
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
