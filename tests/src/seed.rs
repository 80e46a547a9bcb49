//! What is configured before a test begins, over the REST API only.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    eventually::eventually,
    requests::{Answer, Call, Dialect},
    rest::{Rest, text},
};

/// One provider for each protocol; all are the same simulated one.
#[derive(Clone, Debug)]
pub struct Seed {
    providers: Vec<(Dialect, String)>,
    upstream: String,
}

/// A service with pools of its own and one access key: faults of one application's keys are unknown to the others.
#[derive(Clone, Debug)]
pub struct Application {
    pub service_id: String,
    pub access_key_id: String,
    /// The access key's secret.
    pub secret: String,
    keys: Vec<(Dialect, Vec<UpstreamKey>)>,
}

/// In the order of their priority: the first is tried first, the others when it fails.
#[derive(Clone, Debug)]
pub struct UpstreamKey {
    pub id: String,
    pub pool_id: String,
    pub secret: String,
}

impl Application {
    pub fn keys(&self, dialect: Dialect) -> &[UpstreamKey] {
        self.keys.iter().find(|(candidate, _)| *candidate == dialect).map_or(&[], |(_, keys)| keys)
    }

    pub fn chat(&self, dialect: Dialect, stream: bool) -> Call {
        Call::chat(dialect, &self.secret, dialect.model(), stream)
    }
}

impl Seed {
    /// `upstream`: the provider's origin.
    pub async fn plant(rest: &Rest, upstream: &str) -> anyhow::Result<Self> {
        let mut providers = Vec::new();
        for dialect in Dialect::ALL {
            let name = format!("Simulated {}", dialect.name());
            let provider = json!({"name": name, "kind": dialect.name(), "base_url": upstream});
            let provider = rest.create("providers", &provider).await?;
            providers.push((dialect, text(&provider, "id")?.to_owned()));
        }
        Ok(Self { providers, upstream: upstream.to_owned() })
    }

    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    pub fn provider_id(&self, dialect: Dialect) -> anyhow::Result<&str> {
        let found = self.providers.iter().find(|(candidate, _)| *candidate == dialect);
        found.map(|(_, id)| id.as_str()).context("no provider of this kind")
    }

    /// `key_count`: upstream keys in each of its three pools, in descending order of preference.
    pub async fn application(&self, rest: &Rest, name: &str, key_count: u32) -> anyhow::Result<Application> {
        self.application_with(rest, name, key_count, &json!({})).await
    }

    /// `service`: further fields of the service.
    pub async fn application_with(
        &self,
        rest: &Rest,
        name: &str,
        key_count: u32,
        service: &Value,
    ) -> anyhow::Result<Application> {
        let mut keys = Vec::new();
        let mut routes = Vec::new();
        for dialect in Dialect::ALL {
            let (pool_id, pool_keys) = self.pool(rest, name, dialect, key_count).await?;
            keys.push((dialect, pool_keys));
            routes.push(json!({"models": models(dialect), "targets": [{"pool_id": pool_id}]}));
        }
        let mut definition = json!({"name": name, "slug": name, "strategy": "round_robin", "routes": routes});
        if let (Some(definition), Some(further)) = (definition.as_object_mut(), service.as_object()) {
            definition.extend(further.clone());
        }
        let service = rest.create("services", &definition).await?;
        let service_id = text(&service, "id")?.to_owned();
        let access_key = rest.create("access-keys", &json!({"service_id": service_id, "name": name})).await?;
        let access_key_id = text(&access_key, "id")?.to_owned();
        Ok(Application { service_id, access_key_id, secret: text(&access_key, "secret")?.to_owned(), keys })
    }

    async fn pool(
        &self,
        rest: &Rest,
        application: &str,
        dialect: Dialect,
        key_count: u32,
    ) -> anyhow::Result<(String, Vec<UpstreamKey>)> {
        let name = format!("{application} {}", dialect.name());
        let pool = json!({"name": name, "provider_id": self.provider_id(dialect)?});
        let pool_id = text(&rest.create("key-pools", &pool).await?, "id")?.to_owned();
        let mut keys = Vec::new();
        for priority in 0..key_count {
            let secret = secret("sk", dialect.name());
            let key = json!({"pool_id": pool_id, "name": format!("{name} {priority}"), "secret": secret,
                "weight": 1, "priority": priority});
            let id = text(&rest.create("upstream-keys", &key).await?, "id")?.to_owned();
            keys.push(UpstreamKey { id, pool_id: pool_id.clone(), secret });
        }
        Ok((pool_id, keys))
    }
}

/// Which models go to the providers of a protocol.
pub fn models(dialect: Dialect) -> Vec<&'static str> {
    match dialect {
        Dialect::OpenAi => {
            vec!["gpt-*", "o3*", "text-embedding-*", "omni-moderation-*", "dall-e-*", "tts-*", "whisper-*", "davinci-*"]
        }
        Dialect::Anthropic => vec!["claude-*"],
        Dialect::Gemini => vec!["gemini-*"],
    }
}

/// Providers of each kind, by the word in a model's name that leads there.
const DIRECTIONS: [(&str, &str); 4] =
    [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gemini"), ("compatible", "openai_compatible")];

impl Seed {
    /// A service that reaches a provider of each kind from every protocol: `to-anthropic-sim-chunks-5` goes to the
    /// Anthropic one under this name, `smart-anthropic` under a real model's. Returns its access key's secret.
    pub async fn directions(&self, rest: &Rest) -> anyhow::Result<String> {
        let mut routes = Vec::new();
        for (word, kind) in DIRECTIONS {
            let provider = json!({"name": format!("Direction {word}"), "kind": kind, "base_url": self.upstream});
            let provider_id = text(&rest.create("providers", &provider).await?, "id")?.to_owned();
            let pool = json!({"name": format!("Direction {word}"), "provider_id": provider_id});
            let pool_id = text(&rest.create("key-pools", &pool).await?, "id")?.to_owned();
            for number in 0..2 {
                let secret = secret("sk", word);
                let key = json!({"pool_id": pool_id, "name": format!("{word} {number}"), "secret": secret});
                rest.create("upstream-keys", &key).await?;
            }
            for (alias, model) in aliases(word) {
                routes.push(json!({"models": [alias], "targets": [{"pool_id": pool_id, "model": model}]}));
            }
            routes.push(json!({"models": [format!("to-{word}-*")], "targets": [{"pool_id": pool_id}]}));
        }
        let service = json!({"name": "directions", "slug": "directions", "strategy": "round_robin", "routes": routes});
        let service_id = text(&rest.create("services", &service).await?, "id")?.to_owned();
        let access_key = rest.create("access-keys", &json!({"service_id": service_id, "name": "directions"})).await?;
        Ok(text(&access_key, "secret")?.to_owned())
    }
}

/// Names that stand for real models, whose capabilities the gateway knows.
fn aliases(word: &str) -> &'static [(&'static str, &'static str)] {
    match word {
        "openai" => {
            &[("smart-openai", "gpt-4.1"), ("thinking-openai", "gpt-5.2"), ("vectors-openai", "text-embedding-3-small")]
        }
        "anthropic" => &[("smart-anthropic", "claude-sonnet-4-5"), ("thinking-anthropic", "claude-opus-4-6")],
        "gemini" => &[
            ("smart-gemini", "gemini-2.5-flash"),
            ("thinking-gemini", "gemini-3-pro"),
            ("vectors-gemini", "gemini-embedding-001"),
        ],
        _ => &[("smart-compatible", "deepseek-chat"), ("thinking-compatible", "deepseek-reasoner")],
    }
}

/// A text that is found nowhere by chance.
pub fn secret(prefix: &str, name: &str) -> String {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
    format!("{prefix}-{name}-canary-{random}")
}

/// Sends until the proxy knows the access key; the last answer.
pub async fn known(call: &Call, address: std::net::SocketAddr, within: Duration) -> anyhow::Result<Answer> {
    eventually("the proxy knows the access key", within, async || {
        let answer = call.send(address).await?;
        Ok((answer.status != 401).then_some(answer))
    })
    .await
}
