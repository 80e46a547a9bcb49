//! `GET models`, as each protocol has it.

use std::collections::BTreeSet;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tollgate_shared::secret::Secret;
use url::Url;

use super::{UpstreamClient, UpstreamError, connect};
use crate::domain::provider::{ProviderKind, ProviderSpec};

const LARGEST_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const MOST_MODELS: usize = 5_000;
const LONGEST_NAME: usize = 200;
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

pub(super) async fn list(
    client: &UpstreamClient,
    provider: &ProviderSpec,
    secret: &Secret,
) -> Result<Vec<String>, UpstreamError> {
    let url = models_url(provider)?;
    let request = request(provider.kind, &url, secret)?;
    let stream = connect::open(client, &url).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| UpstreamError::Broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|_| UpstreamError::Broken)?;
        refuse_errors(response.status())?;
        let body = Limited::new(response.into_body(), LARGEST_ANSWER_BYTES).collect().await.map_err(|error| {
            let too_large = error.is::<http_body_util::LengthLimitError>();
            if too_large { UpstreamError::TooLarge } else { UpstreamError::Broken }
        })?;
        names(&body.to_bytes())
    };
    // Whoever is done first: the exchange with its answer, or the connection because it broke.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

/// A base URL's own path replaces the protocol's version prefix.
fn models_url(provider: &ProviderSpec) -> Result<Url, UpstreamError> {
    let base = Url::parse(&provider.base_url).map_err(|_| UpstreamError::Url)?;
    let (version, query) = match provider.kind {
        ProviderKind::Openai | ProviderKind::OpenaiCompatible => ("/v1", ""),
        ProviderKind::Anthropic => ("/v1", "?limit=1000"),
        ProviderKind::Gemini => ("/v1beta", "?pageSize=1000"),
    };
    let path = base.path().trim_end_matches('/');
    let prefix = if path.is_empty() { version } else { path };
    base.join(&format!("{prefix}/models{query}")).map_err(|_| UpstreamError::Url)
}

fn request(kind: ProviderKind, url: &Url, secret: &Secret) -> Result<Request<Empty<Bytes>>, UpstreamError> {
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = url.host_str().ok_or(UpstreamError::Url)?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let credential = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| UpstreamError::Url)?;
        value.set_sensitive(true);
        Ok(value)
    };
    let builder = Request::get(target)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "tollgate");
    let builder = match kind {
        ProviderKind::Openai | ProviderKind::OpenaiCompatible => {
            builder.header(header::AUTHORIZATION, credential(&format!("Bearer {}", secret.expose()))?)
        }
        ProviderKind::Anthropic => {
            builder.header("x-api-key", credential(secret.expose())?).header("anthropic-version", ANTHROPIC_VERSION)
        }
        ProviderKind::Gemini => builder.header("x-goog-api-key", credential(secret.expose())?),
    };
    builder.body(Empty::new()).map_err(|_| UpstreamError::Url)
}

fn refuse_errors(status: StatusCode) -> Result<(), UpstreamError> {
    match status.as_u16() {
        200 => Ok(()),
        // Gemini says 400 of a key that does not exist; nothing else in this request can be wrong.
        status @ (400..=403) => Err(UpstreamError::KeyRefused(status)),
        status => Err(UpstreamError::Status(status)),
    }
}

/// OpenAI and Anthropic: `data[].id`. Gemini: `models[].name`, which starts with `models/`.
#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    models: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "name")]
    id: Option<String>,
}

fn names(body: &[u8]) -> Result<Vec<String>, UpstreamError> {
    let listing: Listing = serde_json::from_slice(body).map_err(|_| UpstreamError::Unreadable)?;
    let entries = listing.data.or(listing.models).ok_or(UpstreamError::Unreadable)?;
    let usable = |name: &String| {
        (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    let names = entries.into_iter().filter_map(|entry| entry.id);
    let names = names.map(|name| name.strip_prefix("models/").map(ToOwned::to_owned).unwrap_or(name));
    let sorted: BTreeSet<String> = names.filter(usable).take(MOST_MODELS).collect();
    Ok(sorted.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use tollgate_shared::limits::Timeouts;

    use super::*;

    fn url(kind: ProviderKind, base_url: &str) -> String {
        let (name, base_url) = ("p".to_owned(), base_url.to_owned());
        let spec = ProviderSpec { name, kind, base_url, timeouts: Timeouts::default(), responses_api: None };
        models_url(&spec).unwrap().to_string()
    }

    #[test]
    fn path_of_the_base_url_replaces_the_version() {
        let openai = ProviderKind::Openai;
        assert_eq!(url(openai, "https://api.openai.com"), "https://api.openai.com/v1/models");
        assert_eq!(url(openai, "https://example.com/compatible/v4"), "https://example.com/compatible/v4/models");
        assert_eq!(url(ProviderKind::Anthropic, "https://a.example"), "https://a.example/v1/models?limit=1000");
        assert_eq!(url(ProviderKind::Gemini, "https://g.example"), "https://g.example/v1beta/models?pageSize=1000");
    }

    #[test]
    fn listings_of_each_protocol_are_read() {
        let openai = br#"{"object": "list", "data": [{"id": "gpt-4o", "object": "model"}, {"id": "a"}, {"id": "a"}]}"#;
        assert_eq!(names(openai).unwrap(), ["a", "gpt-4o"]);
        let gemini = br#"{"models": [{"name": "models/gemini-2.5-pro", "version": "001"}]}"#;
        assert_eq!(names(gemini).unwrap(), ["gemini-2.5-pro"]);
        assert_eq!(names(br#"{"data": []}"#).unwrap(), Vec::<String>::new());
        for body in [b"".as_slice(), b"[]", b"{}", b"<html>"] {
            assert!(names(body).is_err());
        }
    }
}
