//! One file for each thing that is measured; here, the rounds.

mod body;
mod cold;
mod idle;
mod latency;
mod plain;
pub(super) mod stream;

use anyhow::{Context, Result};

use super::contender::{Contender, Stage};
use super::report::{Figures, Report};
use super::say;
use super::settings::{Name, Scenario, Settings};
use super::statistics::number;

const MEGABYTE: f64 = 1_048_576.0;

/// Interleaved: every contender once, then again.
pub(super) async fn measure(
    scenario: Scenario,
    stage: &mut Stage,
    settings: &Settings,
    report: &mut Report,
) -> Result<()> {
    for round in 0..settings.rounds {
        for index in 0..stage.contenders.len() {
            let name = stage.contenders[index].name;
            say(&format!("{scenario}, round {}: {name}", round + 1));
            let figures = match scenario {
                Scenario::Plain => plain::measure(stage, index, settings).await,
                Scenario::Stream => stream::measure(&stage.contenders[index], settings, false).await.map(Some),
                Scenario::Translated if name == Name::Tollgate => {
                    stream::measure(&stage.contenders[index], settings, true).await.map(Some)
                }
                Scenario::Translated => Ok(None),
                Scenario::Latency => latency::measure(stage, index, settings).await.map(Some),
                Scenario::Body => body::measure(stage, index, settings).await,
                Scenario::Idle => idle::measure(&mut stage.contenders[index], settings).await,
                Scenario::Cold => cold::measure(&mut stage.contenders[index]).await,
            };
            if let Some(figures) = figures.with_context(|| name.to_string())? {
                report.add(scenario, name, figures);
            }
        }
    }
    Ok(())
}

/// CPU time of a contender around something.
struct Meter {
    before: Option<std::time::Duration>,
}

impl Meter {
    fn start(contender: &Contender) -> Result<Self> {
        Ok(Self { before: contender.cpu()? })
    }

    /// Microseconds for each of so many.
    fn each(&self, contender: &Contender, count: u64) -> Result<Option<f64>> {
        let spent = self.before.zip(contender.cpu()?).map(|(before, after)| after.saturating_sub(before));
        Ok(spent.filter(|_| count > 0).map(|spent| spent.as_secs_f64() * 1e6 / number(count)))
    }
}

fn resident_mb(contender: &Contender) -> Result<Option<f64>> {
    Ok(contender.resident_bytes()?.map(|bytes| number(bytes) / MEGABYTE))
}
