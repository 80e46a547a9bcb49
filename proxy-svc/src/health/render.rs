//! Health in Prometheus's text. Its series are bounded by the configuration: keys, and the models that are remembered.

use std::{fmt::Write, sync::atomic::Ordering::Relaxed};

use super::{Health, KeyState, Standing};

impl Health {
    /// Lines for every key and model; only the states that hold are told.
    pub(crate) fn render(&self) -> String {
        let now = self.now();
        let mut page = String::new();
        let refused = self.retries_refused.load(Relaxed);
        family(&mut page, "retries_refused_total", "counter", "Attempts not made: too many others were retries.");
        let _ = writeln!(page, "tollgate_proxy_retries_refused_total {refused}");
        let (mut states, mut in_flight, mut first, mut success) =
            (String::new(), String::new(), String::new(), String::new());
        for entry in self.entries.lock().keys.values() {
            let id = entry.health.id;
            state(&mut states, &format!("upstream_key_id=\"{id}\""), entry.health.account.standing(now));
            for (name, model) in entry.health.models.load().iter() {
                let (standing, reading) = model.look(now);
                let labels = format!("upstream_key_id=\"{id}\",model=\"{}\"", escaped(name));
                state(&mut states, &labels, standing);
                let _ = writeln!(in_flight, "tollgate_proxy_upstream_in_flight{{{labels}}} {}", reading.in_flight);
                let _ = writeln!(success, "tollgate_proxy_upstream_success_ratio{{{labels}}} {:.4}", reading.success);
                if let Some(took) = reading.first_token {
                    let seconds = took.as_secs_f64();
                    let _ = writeln!(first, "tollgate_proxy_upstream_first_token_seconds{{{labels}}} {seconds:.6}");
                }
            }
        }
        family(&mut page, "upstream_key_state", "gauge", "1 for the state that a key, or one of its models, is in.");
        page.push_str(&states);
        family(&mut page, "upstream_in_flight", "gauge", "Attempts in work.");
        page.push_str(&in_flight);
        family(&mut page, "upstream_success_ratio", "gauge", "Moving share of answers that came to their end.");
        page.push_str(&success);
        family(&mut page, "upstream_first_token_seconds", "gauge", "Moving average until an answer begins.");
        page.push_str(&first);
        page
    }
}

fn family(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(page, "# HELP tollgate_proxy_{name} {help}\n# TYPE tollgate_proxy_{name} {kind}\n");
}

fn state(page: &mut String, labels: &str, standing: Standing) {
    let state = match standing {
        Standing::Ready => KeyState::Healthy,
        Standing::TrialDue => KeyState::HalfOpen,
        Standing::Out { state, .. } => state,
    };
    let _ = writeln!(page, "tollgate_proxy_upstream_key_state{{{labels},state=\"{}\"}} 1", state.as_str());
}

/// A label's value; model names come from callers.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .flat_map(|character| match character {
            '"' | '\\' => vec!['\\', character],
            other => vec![other],
        })
        .collect()
}
