//! Figures of all rounds, and the table of their medians.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::settings::{Name, Scenario, Settings};
use super::statistics::median;

/// One measurement; what a scenario does not measure is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Figures {
    /// Requests or streams.
    pub(super) per_second: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// For each request or stream.
    pub(super) cpu_us: Option<f64>,
    pub(super) resident_mb: Option<f64>,
    /// What only this scenario measures, under the name that the table shows.
    pub(super) others: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Serialize)]
struct Entry {
    scenario: Scenario,
    contender: Name,
    rounds: Vec<Figures>,
    median: Figures,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    rounds: usize,
    seconds: u64,
    entries: Vec<Entry>,
}

impl Report {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { rounds: settings.rounds, seconds: settings.seconds, entries: Vec::new() }
    }

    pub(super) fn add(&mut self, scenario: Scenario, contender: Name, figures: Figures) {
        let known = self.entries.iter().position(|entry| (entry.scenario, entry.contender) == (scenario, contender));
        let index = known.unwrap_or_else(|| {
            self.entries.push(Entry { scenario, contender, rounds: Vec::new(), median: Figures::default() });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.rounds.push(figures);
        entry.median = medians(&entry.rounds);
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        let unit = if self.rounds == 1 { "round" } else { "rounds, medians" };
        // Writing into a string does not fail.
        let _ = writeln!(out, "{} {unit}, {} s each\n", self.rounds, self.seconds);
        out.push_str("| scenario | contender | per second | p50 ms | p99 ms | CPU µs each | resident MB | besides |\n");
        out.push_str("|---|---|---|---|---|---|---|---|\n");
        for Entry { scenario, contender, median, .. } in &self.entries {
            let others: Vec<String> =
                median.others.iter().map(|(name, value)| format!("{name} {}", show(Some(*value)))).collect();
            let cells = [median.per_second, median.p50_ms, median.p99_ms, median.cpu_us, median.resident_mb].map(show);
            let _ = writeln!(out, "| {scenario} | {contender} | {} | {} |", cells.join(" | "), others.join(", "));
        }
        out.push('\n');
        for scenario in Scenario::ALL {
            for (mine, other) in [
                (Name::Tollgate, Name::BarePingora),
                (Name::Tollgate, Name::Nginx),
                (Name::TollgateEverything, Name::BarePingora),
            ] {
                out.push_str(&self.ratios(scenario, mine, other));
            }
            out.push_str(&self.everything(scenario));
        }
        out.push_str(&self.translation());
        out
    }

    /// What translating a stream costs beside passing it on.
    fn translation(&self) -> String {
        let cpu = |scenario| self.median(scenario, Name::Tollgate).and_then(|figures| figures.cpu_us);
        match (cpu(Scenario::Translated), cpu(Scenario::Stream)) {
            (Some(translated), Some(untouched)) if untouched > 0.0 => {
                format!("translated / stream, tollgate: CPU {:.2}\n", translated / untouched)
            }
            _ => String::new(),
        }
    }

    fn median(&self, scenario: Scenario, name: Name) -> Option<&Figures> {
        let is_it = |entry: &&Entry| (entry.scenario, entry.contender) == (scenario, name);
        self.entries.iter().find(is_it).map(|entry| &entry.median)
    }

    /// What limits, budgets, sessions and lists cost a request.
    fn everything(&self, scenario: Scenario) -> String {
        let cpu = |name| self.median(scenario, name).and_then(|figures| figures.cpu_us);
        match (cpu(Name::TollgateEverything), cpu(Name::Tollgate)) {
            (Some(all), Some(usual)) => {
                format!("{scenario}: tollgate-everything - tollgate: CPU {:+.1} µs each\n", all - usual)
            }
            _ => String::new(),
        }
    }

    /// `tollgate / bare-pingora` for what both have measured.
    fn ratios(&self, scenario: Scenario, name: Name, other: Name) -> String {
        let (Some(mine), Some(other_figures)) = (self.median(scenario, name), self.median(scenario, other)) else {
            return String::new();
        };
        let mut parts = Vec::new();
        let mut compare = |what: &str, mine: Option<f64>, other: Option<f64>| {
            if let (Some(mine), Some(other)) = (mine, other)
                && other > 0.0
            {
                parts.push(format!("{what} {:.2}", mine / other));
            }
        };
        compare("per second", mine.per_second, other_figures.per_second);
        compare("CPU", mine.cpu_us, other_figures.cpu_us);
        compare("p99", mine.p99_ms, other_figures.p99_ms);
        for (what, value) in &mine.others {
            compare(what, Some(*value), other_figures.others.get(what).copied());
        }
        format!("{scenario}: {name} / {other}: {}\n", parts.join(", "))
    }
}

fn medians(rounds: &[Figures]) -> Figures {
    let of = |pick: &dyn Fn(&Figures) -> Option<f64>| median(rounds.iter().filter_map(pick).collect());
    let names = rounds.iter().flat_map(|figures| figures.others.keys().copied());
    let others = names.filter_map(|name| Some((name, of(&|figures| figures.others.get(name).copied())?)));
    Figures {
        per_second: of(&|figures| figures.per_second),
        p50_ms: of(&|figures| figures.p50_ms),
        p99_ms: of(&|figures| figures.p99_ms),
        cpu_us: of(&|figures| figures.cpu_us),
        resident_mb: of(&|figures| figures.resident_mb),
        others: others.collect(),
    }
}

/// Three digits that matter.
fn show(figure: Option<f64>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(figure) if figure.abs() >= 100.0 => format!("{figure:.0}"),
        Some(figure) if figure.abs() >= 10.0 => format!("{figure:.1}"),
        Some(figure) if figure.abs() >= 1.0 => format!("{figure:.2}"),
        Some(figure) => format!("{figure:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn medians_and_ratios_are_shown() {
        let mut report = Report::new(&Settings::parse_from(["bench"]));
        for (contender, cpu) in [(Name::BarePingora, 20.0), (Name::Tollgate, 15.0), (Name::TollgateEverything, 18.0)] {
            for noise in [0.0, 100.0, -1.0] {
                let figures = Figures { cpu_us: Some(cpu + noise), ..Figures::default() };
                report.add(Scenario::Plain, contender, figures);
            }
        }
        let text = report.markdown();
        assert!(text.contains("| plain | bare-pingora | – | – | – | 20.0 | – |  |"), "{text}");
        assert!(text.contains("plain: tollgate / bare-pingora: CPU 0.75\n"), "{text}");
        assert!(text.contains("plain: tollgate-everything / bare-pingora: CPU 0.90\n"), "{text}");
        assert!(text.contains("plain: tollgate-everything - tollgate: CPU +3.0 µs each\n"), "{text}");
        assert!(report.json().unwrap().contains("\"cpu_us\": 120.0"));
    }
}
