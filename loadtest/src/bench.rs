//! The comparison: Tollgate, a bare Pingora proxy, nginx and no proxy at all, in one run.
//!
//! Absolute figures drift from machine to machine and from hour to hour, so everything is measured
//! in interleaved rounds in front of one simulated provider, and what counts is the ratio between
//! contenders. A contender's answers are verified before it is timed: a gateway that errors fast is
//! not fast. Contenders run on one core, load and provider on another, except where a scenario
//! says otherwise.

mod client;
mod contender;
mod nginx;
mod process;
mod report;
mod scenario;
mod settings;
mod statistics;
mod tollgate;
mod verify;
mod wrk;

use std::io::Write;

use anyhow::{Context, Result};

use contender::Stage;
use report::Report;
pub use settings::Settings;

/// Runs everything that was asked for and prints the table. Children end with the future, so it
/// may be dropped at any time.
pub async fn run(settings: &Settings) -> Result<()> {
    process::raise_descriptor_limit();
    process::pin_self(settings.load_core)?;
    let mut stage = Stage::set(settings).await?;
    let mut report = Report::new(settings);
    for scenario in &settings.scenarios {
        scenario::measure(*scenario, &mut stage, settings, &mut report)
            .await
            .with_context(|| format!("scenario {scenario}"))?;
    }
    writeln!(std::io::stdout(), "{}", report.markdown())?;
    if let Some(file) = &settings.json {
        std::fs::write(file, report.json()?).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// What is going on, for whoever watches; the result itself goes to standard output.
fn say(what: &str) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{what}");
}
