//! What to compare, how long, and where.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Compares gateways in front of one simulated provider.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench", version, about)]
pub struct Settings {
    /// Interleaved rounds; the table shows medians.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Length of each measurement.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// One round of two seconds, fewer idle connections: to see that everything works.
    #[arg(long)]
    pub quick: bool,
    /// All that can be found, if none is named.
    #[arg(long, value_delimiter = ',')]
    pub contenders: Vec<Name>,
    #[arg(long, value_delimiter = ',', default_values_t = Scenario::ALL)]
    pub scenarios: Vec<Scenario>,
    /// Where the contenders run.
    #[arg(long, default_value_t = 0)]
    pub proxy_core: usize,
    /// Where load, provider and control plane run.
    #[arg(long, default_value_t = 1)]
    pub load_core: usize,
    /// Connections of the idle-memory scenario.
    #[arg(long, default_value_t = 5_000)]
    pub idle_connections: usize,
    /// Also write every round's figures here.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl Settings {
    /// `--quick` overrides the rest.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        if self.quick {
            (self.rounds, self.seconds) = (1, 2);
            self.idle_connections = self.idle_connections.min(1_000);
        }
        self
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    pub(super) fn wants(&self, name: Name) -> bool {
        self.contenders.is_empty() || self.contenders.contains(&name)
    }
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    Direct,
    Nginx,
    BarePingora,
    Tollgate,
    /// With limits, budgets, sessions and lists of addresses.
    TollgateEverything,
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Name::Direct => "direct",
            Name::Nginx => "nginx",
            Name::BarePingora => "bare-pingora",
            Name::Tollgate => "tollgate",
            Name::TollgateEverything => "tollgate-everything",
        })
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Small requests and answers as fast as 64 connections can.
    Plain,
    /// 32 connections with streams of 50 chunks, 2 ms apart.
    Stream,
    /// The same, asked in OpenAI's protocol of a provider that speaks Anthropic's: Tollgate alone.
    Translated,
    /// One connection, everything on one core.
    Latency,
    /// 8 connections, each request carrying 1 MB.
    Body,
    /// Connections that have served one request and wait.
    Idle,
    /// From the start of the process to the first answer.
    Cold,
}

impl Scenario {
    pub const ALL: [Scenario; 7] = [
        Scenario::Plain,
        Scenario::Stream,
        Scenario::Translated,
        Scenario::Latency,
        Scenario::Body,
        Scenario::Idle,
        Scenario::Cold,
    ];
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Scenario::Plain => "plain",
            Scenario::Stream => "stream",
            Scenario::Translated => "translated",
            Scenario::Latency => "latency",
            Scenario::Body => "body",
            Scenario::Idle => "idle",
            Scenario::Cold => "cold",
        })
    }
}
