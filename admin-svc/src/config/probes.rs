//! The section `probes`: whether and how often upstream keys are probed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tollgate_shared::configuration::ConfigurationError;

use crate::domain::key_probe::ProbePace;

/// Below that, a provider might take probes for abuse.
const SHORTEST_MS: u64 = 1_000;

/// What the layers say, unchecked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    enabled: bool,
    /// A key that nobody uses is probed after a time between these.
    idle_min_ms: u64,
    idle_max_ms: u64,
    /// The same for a key whose provider is in trouble.
    trouble_min_ms: u64,
    trouble_max_ms: u64,
    /// A key that the provider refuses.
    refused_ms: u64,
}

impl Default for Fields {
    fn default() -> Self {
        let ProbePace { idle, trouble, refused } = ProbePace::default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            enabled: true,
            idle_min_ms: ms(idle.0),
            idle_max_ms: ms(idle.1),
            trouble_min_ms: ms(trouble.0),
            trouble_max_ms: ms(trouble.1),
            refused_ms: ms(refused),
        }
    }
}

impl Fields {
    pub(super) fn check(&self) -> Result<Option<ProbePace>, ConfigurationError> {
        let Self { enabled, idle_min_ms, idle_max_ms, trouble_min_ms, trouble_max_ms, refused_ms } = *self;
        let range = |fields: [&'static str; 2], from: u64, to: u64| {
            if from < SHORTEST_MS {
                return Err(ConfigurationError::field(fields[0], "must be at least 1000"));
            }
            if to < from {
                return Err(ConfigurationError::field(fields[1], format!("must not be below {}", fields[0])));
            }
            Ok((Duration::from_millis(from), Duration::from_millis(to)))
        };
        let pace = ProbePace {
            idle: range(["probes.idle_min_ms", "probes.idle_max_ms"], idle_min_ms, idle_max_ms)?,
            trouble: range(["probes.trouble_min_ms", "probes.trouble_max_ms"], trouble_min_ms, trouble_max_ms)?,
            refused: range(["probes.refused_ms", "probes.refused_ms"], refused_ms, refused_ms)?.0,
        };
        Ok(enabled.then_some(pace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Fields)) -> String {
        let mut fields = Fields::default();
        change(&mut fields);
        fields.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_the_documented_ones_and_probing_can_be_switched_off() {
        assert_eq!(Fields::default().check().unwrap(), Some(ProbePace::default()));
        assert_eq!(Fields { enabled: false, ..Fields::default() }.check().unwrap(), None);
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert!(refused(|fields| fields.idle_min_ms = 999).starts_with("probes.idle_min_ms:"));
        assert!(refused(|fields| fields.trouble_max_ms = 9_999).starts_with("probes.trouble_max_ms:"));
        assert!(refused(|fields| fields.refused_ms = 0).starts_with("probes.refused_ms:"));
    }
}
