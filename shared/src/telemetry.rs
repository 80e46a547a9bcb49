//! Log output, the same for both services.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("log: a subscriber is installed already")]
    Installed,
}

/// Changes the log level of the running process.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// `filter`: as in `TOLLGATE_LOG`, e.g. `info` or `info,proxy_svc=debug`. A bad one changes nothing.
    pub fn set(&self, filter: &str) -> Result<(), TelemetryError> {
        let filter = filter.parse::<EnvFilter>()?;
        self.0.reload(filter).map_err(|_| TelemetryError::Installed)
    }
}

/// Whether a filter is usable, without putting it to use.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    filter.parse::<EnvFilter>()?;
    Ok(())
}

/// Sends log lines to standard error. `format` absent: text on a terminal, else JSON.
pub fn install(filter: &str, format: Option<LogFormat>) -> Result<LogLevel, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter.parse::<EnvFilter>()?);
    let default = if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match format.unwrap_or(default) {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    installed.map(|()| LogLevel(handle)).map_err(|_| TelemetryError::Installed)
}
