//! The command line: reads it, loads the configuration, and runs one command.
//!
//! Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong (nothing was touched).

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tollgate_shared::{configuration::ConfigurationError, telemetry};

use crate::{
    config::{Configuration, Sources},
    serve,
};

mod audit;
mod create_admin;
mod migrate;
mod openapi;
mod rotate_master_key;
mod rotate_token_key;

const WRONG_CONFIGURATION: u8 = 2;

/// Tollgate's control plane: console and REST API, configuration for the proxies, their usage.
#[derive(Parser)]
#[command(name = "admin-svc", version)]
struct Arguments {
    /// TOML file; environment variables and flags go over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    check_config: bool,
    /// Console and REST [default: 0.0.0.0:9090]
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Proxies [default: 127.0.0.1:9091]
    #[arg(long, global = true, value_name = "ADDRESS")]
    grpc_listen: Option<String>,
    /// /livez, /readyz, /metrics [default: 127.0.0.1:9092]
    #[arg(long, global = true, value_name = "ADDRESS")]
    ops_listen: Option<String>,
    /// Generated keys and the default database [default: ./data/admin]
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// `sqlite://path` or `postgres://…` [default: tollgate.db in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Filter of log lines [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// `text` or `json` [default: text on a terminal, else json]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default)
    Serve,
    /// Bring the database's schema up to date and exit
    Migrate,
    /// Make an administrator; the password comes from a file or from standard input
    CreateAdmin(create_admin::Arguments),
    /// Put the database's secrets under another master key; stop the service before
    RotateMasterKey(rotate_master_key::Arguments),
    /// Make a new key for the tokens of access keys; the service may run meanwhile
    RotateTokenKey,
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print the document of the API (`OpenAPI` 3.1)
    Openapi,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Some(Command::Openapi)) {
        return finished(openapi::run());
    }
    let sources = arguments.sources();
    let (configuration, log_level) = match prepare(&arguments, &sources) {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("configuration: {error}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    if arguments.check_config {
        eprintln!("configuration: good");
        return ExitCode::SUCCESS;
    }
    // One provider for every TLS connection of the process; a second installation is the only failure.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finished(Err(error.into())),
    };
    finished(runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(configuration, sources, log_level).await,
            Command::Migrate => migrate::run(&configuration).await,
            Command::CreateAdmin(arguments) => create_admin::run(&configuration, arguments).await,
            Command::RotateMasterKey(arguments) => rotate_master_key::run(&configuration, arguments).await,
            Command::RotateTokenKey => rotate_token_key::run(&configuration).await,
            Command::Audit(command) => audit::run(&configuration, command).await,
            Command::Openapi => openapi::run(),
        }
    }))
}

/// Configuration that is good for the command, and logging installed.
fn prepare(
    arguments: &Arguments,
    sources: &Sources,
) -> Result<(Configuration, telemetry::LogLevel), ConfigurationError> {
    let configuration = Configuration::load(sources)?;
    if matches!(arguments.command, None | Some(Command::Serve)) {
        configuration.join_token()?;
    }
    let log_level = telemetry::install(&configuration.log, configuration.log_format)
        .map_err(|error| ConfigurationError::field("log", error.to_string()))?;
    Ok((configuration, log_level))
}

fn finished(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn sources(&self) -> Sources {
        let flags = [
            ("listen", &self.listen),
            ("grpc_listen", &self.grpc_listen),
            ("ops_listen", &self.ops_listen),
            ("data_dir", &self.data_dir),
            ("database_url", &self.database_url),
            ("log", &self.log),
            ("log_format", &self.log_format),
        ];
        let flags = flags.into_iter().filter_map(|(field, value)| Some((field, value.clone()?))).collect();
        Sources { file: self.config.clone(), flags }
    }
}
