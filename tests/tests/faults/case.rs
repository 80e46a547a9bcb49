//! One caller that meets a fault at one provider: what it asks, and what has to come of it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_tests::{Answer, Call, Dialect, Trio};

use super::table::{Fault, Round, Shown, Told};

const ANSWER: &str = "Echo: How long is the coast";

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    fault: Fault,
    caller: Dialect,
    upstream: Dialect,
    /// Both keys meet the fault, and the caller is told this; otherwise the first one meets it.
    told: Option<Told>,
    /// The model as the caller names it, and as the provider does.
    alias: String,
    model: &'static str,
    pub(super) keys: [Key; 2],
    /// Of the service, which is made last.
    pub(super) access_key: String,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
}

/// How often the provider was called with a key for a model.
pub(super) type Counts = HashMap<(String, String), usize>;

impl Case {
    /// The first key meets the fault.
    pub(super) fn of_first(fault: &Fault, caller: Dialect, upstream: Dialect, keys: [Key; 2]) -> Self {
        let alias = format!("{}-at-{}", caller.name(), upstream.name());
        let (name, model) = (format!("{}, {alias}", fault.name), upstream.model());
        Self { name, fault: fault.clone(), caller, upstream, told: None, alias, model, keys, access_key: String::new() }
    }

    /// Both keys meet it, for another model: what is known of the first is not known of this.
    pub(super) fn of_both(&self, told: Told, keys: [Key; 2]) -> Self {
        let model = match self.upstream {
            Dialect::OpenAi => "gpt-4o",
            Dialect::Anthropic => "claude-opus-4-6",
            Dialect::Gemini => "gemini-2.5-pro",
        };
        let (name, alias) = (format!("{}, all", self.name), format!("{}-all", self.alias));
        Self { name, told: Some(told), alias, model, keys, ..self.clone() }
    }

    pub(super) fn route(&self, pool_id: &str) -> Value {
        json!({"models": [self.alias], "targets": [{"pool_id": pool_id, "model": self.model}]})
    }

    /// Which requests meet the fault; other models do not, where there are any.
    pub(super) fn rules(&self, of_model: bool) -> Vec<Value> {
        let keys = if self.told.is_some() { &self.keys[..] } else { &self.keys[..1] };
        let rule = |key: &Key| {
            if of_model { json!({"key": key.secret, "model": self.model}) } else { json!({"key": key.secret}) }
        };
        keys.iter().map(rule).collect()
    }

    /// Sends its requests one after the other; when the first was sent.
    pub(super) async fn play(&self, trio: &Trio, client: &reqwest::Client) -> (&str, anyhow::Result<Instant>) {
        let begun = Instant::now();
        let rounds = match self.told {
            Some(told) => vec![Round::Told(told); if self.fault.is_believed { 4 } else { 1 }],
            None => self.fault.comes.rounds().0,
        };
        for (number, round) in rounds.into_iter().enumerate() {
            let checked = self.send(trio, client).await.and_then(|(answer, is_whole)| {
                let start: String = answer.text().chars().take(1500).collect();
                self.check(&answer, is_whole, round, begun.elapsed())
                    .with_context(|| format!("request {number}: {} {:?} {start}", answer.status, answer.headers))
            });
            if let Err(error) = checked {
                return (&self.name, Err(error));
            }
        }
        (&self.name, Ok(begun))
    }

    /// The answer, as far as it comes, and whether that is to its end.
    pub(super) async fn send(&self, trio: &Trio, client: &reqwest::Client) -> anyhow::Result<(Answer, bool)> {
        let call = Call::chat(self.caller, &self.access_key, &self.alias, self.fault.streamed);
        let mut request = client.post(format!("http://{}{}", trio.addresses.proxy, call.path)).body(call.body);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.with_context(|| self.name.clone())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let is_whole = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Ok((Answer { status, headers, body: body.into() }, is_whole))
    }

    /// `after`: since the first request.
    fn check(&self, answer: &Answer, is_whole: bool, round: Round, after: Duration) -> anyhow::Result<()> {
        match round {
            Round::Told(told) => self.check_told(answer, told, after)?,
            Round::Answered { attempts } => {
                ensure!(answer.status == 200 && is_whole, "it is no whole 200");
                let said = self.caller.said(self.fault.streamed, answer)?;
                ensure!(said.starts_with(ANSWER), "it is not the answer");
                let made = answer.header("x-tollgate-attempts");
                ensure!(made == Some(attempts.to_string().as_str()), "{made:?} attempts, not {attempts}");
            }
            Round::Broken => {
                let text = answer.text();
                ensure!(answer.status == 200 && text.contains("Echo"), "it did not begin");
                ensure!(self.caller.last_error(&text).is_some(), "it does not end with an error");
                let good_ends = ["[DONE]", "message_stop", "finishReason"];
                ensure!(!good_ends.iter().any(|end| text.contains(end)), "it ends as a good one does");
            }
            Round::Blocked => {
                ensure!(answer.status == 200 && is_whole, "it is no whole 200");
                ensure!(!self.caller.said(self.fault.streamed, answer)?.contains("coast"), "it answers");
            }
            Round::Refused { status, translated } => {
                let status = if self.caller == self.upstream { status } else { translated };
                ensure!(answer.status == status, "not {status}");
                self.caller.error(&answer.json()?).context("not in the caller's shape")?;
            }
        }
        Ok(())
    }

    fn check_told(&self, answer: &Answer, told: Told, after: Duration) -> anyhow::Result<()> {
        let (status, kind) = told.of(self.caller);
        let (found, _) = self.caller.error(&answer.json()?).context("not in the caller's shape")?;
        ensure!(answer.status == status && found == kind, "not {status} {kind}");
        ensure!(answer.text().to_ascii_lowercase().contains(told.code()), "not {}", told.code());
        let wait = answer.header("retry-after").map(str::parse).transpose()?;
        ensure!(told.wait().is_left(wait, after), "retry-after is {wait:?}, not {:?}", told.wait());
        let is_hopeless = matches!(told, Told::KeysRefused);
        ensure!(!is_hopeless || answer.header("x-should-retry") == Some("false"), "trying again does not help");
        ensure!(self.keys.iter().all(|key| !answer.text().contains(&key.secret)), "it shows a key");
        Ok(())
    }

    /// What is to be shown of the first key, when it alone meets the fault.
    pub(super) fn shown(&self) -> Option<Shown> {
        self.fault.comes.shown().filter(|_| self.told.is_none())
    }

    /// What is shown of the key for the case's model, if it is what is to be shown.
    pub(super) fn find(&self, health: &Value) -> Option<Value> {
        let wanted = self.shown()?;
        let is_it = |shown: &&Value| shown["model"].is_null() || shown["model"] == self.model;
        health["models"].as_array()?.iter().filter(is_it).find(|shown| shown["state"] == wanted.state).cloned()
    }

    /// `seen`: what was found, and when; `begun`: when the first request was sent.
    pub(super) fn check_shown(&self, seen: Option<(Value, Instant)>, begun: Instant) -> anyhow::Result<()> {
        let Some(wanted) = self.shown() else { return Ok(()) };
        let (shown, at) = seen.with_context(|| format!("never shown as {}", wanted.state))?;
        let after = at.saturating_duration_since(begun);
        let (left, reason) = (shown["retry_in_seconds"].as_u64(), shown["reason"].as_str().unwrap_or_default());
        ensure!(reason.contains(wanted.reason), "not {}: {shown}", wanted.reason);
        ensure!(wanted.wait.is_left(left, after), "not {:?} {after:?} ago: {shown}", wanted.wait);
        Ok(())
    }

    pub(super) fn check_calls(&self, counts: &Counts) -> anyhow::Result<()> {
        let wanted = if self.told.is_some() { [1, 1] } else { self.fault.comes.rounds().1 };
        for (number, (key, wanted)) in self.keys.iter().zip(wanted).enumerate() {
            let meets_it = number == 0 || self.told.is_some();
            let most = if self.fault.is_repeated && meets_it { wanted * 2 } else { wanted };
            let count = counts.get(&(key.secret.clone(), self.model.to_owned())).copied().unwrap_or_default();
            ensure!((wanted..=most).contains(&count), "key {number} was called {count} times, not {wanted}");
        }
        Ok(())
    }
}
