//! The simulated provider's control endpoints: what it received, what it generated, and the faults it is to show.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::usage::Tokens;

#[derive(Clone, Debug)]
pub struct Simulator {
    client: reqwest::Client,
    address: SocketAddr,
}

/// A request as it reached the provider, and how its answer ended.
#[derive(Clone, Debug, Deserialize)]
pub struct Received {
    /// Counts from 1 in order of arrival; the next look asks for what came after it.
    pub n: u64,
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In the order and spelling in which they came.
    pub headers: Vec<(String, String)>,
    #[serde(rename = "body_base64", deserialize_with = "decode")]
    pub body: Vec<u8>,
    /// What it says it generated, as far as the answer got.
    pub generated: Tokens,
    /// The answer was fully written.
    pub completed: bool,
    /// The client closed before that.
    pub client_gone: bool,
    pub credential: Option<String>,
    pub model: String,
}

impl Received {
    /// It asks for all models: nobody but the control plane does.
    pub fn lists_models(&self) -> bool {
        self.method == "GET" && self.target.split('?').next().is_some_and(|path| path.ends_with("/models"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Simulator {
    pub fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { client, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests that match (`key`, `model`, `path_prefix`; none = all) meet the fault; `times` absent = always.
    pub async fn fault(&self, matching: Value, times: Option<u32>, fault: Value) -> anyhow::Result<()> {
        let mut rule = json!({"match": matching, "fault": fault});
        if let Some(times) = times {
            rule["times"] = times.into();
        }
        let answer = self.client.post(format!("{}/__sim/faults", self.origin())).json(&rule).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "fault {rule} was answered {status}: {}", answer.text().await?);
        Ok(())
    }

    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        let answer = self.client.delete(format!("{}/__sim/faults", self.origin())).send().await?;
        Ok(answer.error_for_status().map(drop)?)
    }

    /// What applications sent after the request with this number; 0 for everything that it still remembers. The control
    /// plane's own looks at the list of models are left out: they come when they come.
    pub async fn requests(&self, after: u64) -> anyhow::Result<Vec<Received>> {
        let url = format!("{}/__sim/requests?after={after}", self.origin());
        let answer: Value = self.client.get(url).send().await?.error_for_status()?.json().await?;
        let list = if answer.is_array() { answer } else { answer["requests"].clone() };
        let mut requests: Vec<Received> = serde_json::from_value(list).context("not a list of requests")?;
        requests.retain(|received| !received.lists_models());
        Ok(requests)
    }

    /// The number of the newest request, to be handed to [`Simulator::requests`] later.
    pub async fn newest(&self) -> anyhow::Result<u64> {
        Ok(self.requests(0).await?.last().map_or(0, |received| received.n))
    }

    /// The one request that it received after this number.
    pub async fn only_request(&self, after: u64) -> anyhow::Result<Received> {
        let mut requests = self.requests(after).await?;
        ensure!(requests.len() == 1, "the provider received {} requests, not one", requests.len());
        requests.pop().context("no request")
    }

    pub async fn stats(&self) -> anyhow::Result<Value> {
        let url = format!("{}/__sim/stats", self.origin());
        Ok(self.client.get(url).send().await?.error_for_status()?.json().await?)
    }
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
