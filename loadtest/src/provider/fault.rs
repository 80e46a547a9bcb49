//! Faults on command: which requests they meet, how often, and what goes wrong.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A fault and its conditions, as `POST /__sim/faults` takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    #[serde(rename = "match", default)]
    pub matches: FaultMatch,
    /// Absent: until the faults are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    pub fault: Fault,
}

impl FaultRule {
    /// The fault meets every request, until it is cleared.
    pub fn always(fault: Fault) -> Self {
        Self { matches: FaultMatch::default(), times: None, fault }
    }

    /// The fault meets every request that presents this credential.
    pub fn for_key(key: impl Into<String>, fault: Fault) -> Self {
        Self { matches: FaultMatch { key: Some(key.into()), ..FaultMatch::default() }, times: None, fault }
    }

    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }
}

/// All that is named must hold; nothing named meets everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultMatch {
    /// The credential, wherever it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The model's name; a trailing `*` stands for any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
}

/// What goes wrong. `after_chunks` counts the events of a stream; a whole answer breaks in its
/// middle instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error in the provider's shape, or with a body of your own.
    Status {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// A 429 that says how long to wait in one of the ways in which providers do.
    RateLimited {
        says: Wait,
        seconds: u8,
    },
    /// The provider's own way of saying that there is no credit left.
    AccountSpent,
    /// The right answer, whose headers say that nothing is left of the rate limit for so long. Gemini tells of nothing.
    NothingLeft {
        seconds: u8,
    },
    /// The request is read, and nothing ever comes.
    HangBeforeHeaders,
    HangMidStream {
        after_chunks: usize,
    },
    /// TCP reset; without `after_chunks` before the head.
    Reset {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_chunks: Option<usize>,
    },
    /// The right answer, slowly: so long before each chunk, or each twentieth of a body.
    SlowDrip {
        gap_ms: u64,
    },
    /// 200 with no body.
    #[serde(rename = "empty_200")]
    Empty200,
    /// 200 with an error where the answer should be.
    #[serde(rename = "error_in_200")]
    ErrorIn200,
    /// A stream that turns into nonsense after its first event; a body that is no JSON.
    MalformedSse,
    /// A correct answer whose text has so many bytes, in one event if it is a stream.
    Oversized {
        bytes: usize,
    },
    /// The connection ends in good order, the answer does not.
    CutMidStream {
        after_chunks: usize,
    },
    /// The provider's own way of failing in the middle.
    ErrorMidStream {
        after_chunks: usize,
    },
    CloseBeforeHeaders,
    /// The provider's own refusal of a prompt that is too long.
    ContextWindow,
    /// The provider's own refusal of a prompt that its policy forbids.
    ContentPolicy,
    /// The right answer, later.
    Latency {
        ms: u64,
    },
}

/// How a rate limit tells its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    Nothing,
    /// `retry-after` in seconds.
    RetryAfter,
    RetryAfterMs,
    /// `retry-after` as a date.
    RetryAfterDate,
    /// OpenAI's `x-ratelimit-reset-tokens` beside a remaining 0.
    ResetTokens,
    /// Anthropic's `anthropic-ratelimit-input-tokens-reset` beside a remaining 0.
    ResetInputTokens,
    /// Gemini's `RetryInfo`.
    RetryInfo,
    /// Gemini's quota of a day, with a `RetryInfo` that is about something else.
    Day,
}

/// What a rule is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) model: &'a str,
    pub(crate) path: &'a str,
}

impl FaultMatch {
    fn meets(&self, subject: &Subject<'_>) -> bool {
        self.key.as_deref().is_none_or(|key| subject.key == Some(key))
            && self.path_prefix.as_deref().is_none_or(|prefix| subject.path.starts_with(prefix))
            && self.model.as_deref().is_none_or(|model| match model.strip_suffix('*') {
                Some(prefix) => subject.model.starts_with(prefix),
                None => subject.model == model,
            })
    }
}

/// The rules in force, oldest first; the first that meets a request is its only fault.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rule {
    id: u64,
    #[serde(flatten)]
    said: FaultRule,
    met: u64,
}

impl Faults {
    pub(crate) fn add(&self, rule: FaultRule) -> u64 {
        let mut rules = self.rules.lock();
        let id = rules.last().map_or(1, |last| last.id + 1);
        rules.push(Rule { id, said: rule, met: 0 });
        id
    }

    pub(crate) fn clear(&self) {
        self.rules.lock().clear();
    }

    pub(crate) fn list(&self) -> Vec<Rule> {
        self.rules.lock().clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.lock().is_empty()
    }

    pub(crate) fn meet(&self, subject: &Subject<'_>) -> Option<Fault> {
        let mut rules = self.rules.lock();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.said.times.is_none_or(|times| rule.met < times) && rule.said.matches.meets(subject))?;
        rule.met += 1;
        Some(rule.said.fault.clone())
    }
}

pub(crate) fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(key: &'static str, model: &'static str) -> Subject<'static> {
        Subject { key: Some(key), model, path: "/v1/messages" }
    }

    #[test]
    fn a_rule_is_used_up_after_its_times() {
        let faults = Faults::default();
        faults.add(FaultRule::for_key("a", Fault::Empty200).times(2));
        faults.add(FaultRule::always(Fault::HangBeforeHeaders));
        assert_eq!(faults.meet(&subject("a", "m")), Some(Fault::Empty200));
        assert_eq!(faults.meet(&subject("b", "m")), Some(Fault::HangBeforeHeaders));
        assert_eq!(faults.meet(&subject("a", "m")), Some(Fault::Empty200));
        assert_eq!(faults.meet(&subject("a", "m")), Some(Fault::HangBeforeHeaders));
    }

    #[test]
    fn everything_named_must_hold() {
        let text = r#"{"match":{"key":"a","model":"gpt-*","path_prefix":"/v1/m"},"fault":{"kind":"reset"}}"#;
        let rule: FaultRule = serde_json::from_str(text).unwrap();
        assert!(rule.matches.meets(&subject("a", "gpt-4o")));
        assert!(!rule.matches.meets(&subject("a", "claude")));
        assert!(!rule.matches.meets(&subject("b", "gpt-4o")));
        assert!(!rule.matches.meets(&Subject { path: "/v1/chat", ..subject("a", "gpt-4o") }));
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        assert!(serde_json::from_str::<FaultRule>(r#"{"fault":{"kind":"hang"}}"#).is_err());
        assert!(serde_json::from_str::<FaultRule>(r#"{"match":{"modle":"x"},"fault":{"kind":"reset"}}"#).is_err());
    }
}
