//! The `proxy-svc` program: reads the command line and the configuration, then hands over to [`proxy_svc`].

use std::process::ExitCode;

use clap::Parser;
use proxy_svc::{
    allocator,
    config::{
        Config,
        command::{Command, CommandLine},
        ops_listen,
    },
    operate, server,
};
use tollgate_shared::telemetry;

/// Bad configuration, as `--help` says.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match line.wanted() {
        Command::Serve => {
            allocator::enlarge_thread_caches();
            serve(&line)
        }
        Command::Drain => ops_listen(&line.sources).map_or_else(|error| bad(&error), operate::drain),
        Command::Healthcheck => ops_listen(&line.sources).map_or_else(|error| bad(&error), operate::healthcheck),
    }
}

fn serve(line: &CommandLine) -> ExitCode {
    let config = match Config::load(&line.sources) {
        Ok(config) => config,
        Err(error) => return bad(&error),
    };
    if line.check_config {
        return ExitCode::SUCCESS;
    }
    if let Err(error) = telemetry::install(&config.log, config.log_format) {
        return bad(&error);
    }
    match server::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the proxy cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Logging is not set up yet, so this goes to standard error as it is.
#[expect(clippy::print_stderr, reason = "there is no log before the configuration is known")]
fn bad(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("proxy-svc: {error}");
    ExitCode::from(BAD_CONFIGURATION)
}
