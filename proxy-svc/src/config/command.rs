//! The command line. It decides nothing: flags are the topmost layer of the configuration.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Tollgate's data plane: takes requests in the protocols of OpenAI, Anthropic and Gemini and forwards them.
#[derive(Debug, Parser)]
#[command(name = "proxy-svc", version)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    /// Check the configuration, say what is wrong with it, and exit.
    #[arg(long)]
    pub check_config: bool,
    #[command(flatten)]
    pub sources: Sources,
}

impl CommandLine {
    /// What to do.
    pub fn wanted(&self) -> Command {
        self.command.unwrap_or(Command::Serve)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve requests until told to stop (the default).
    Serve,
    /// Ask the running proxy to drain.
    Drain,
    /// Exit 0 when the running proxy is ready, else 1.
    Healthcheck,
}

/// Where the configuration comes from, besides the environment `TOLLGATE_PROXY_…`.
#[derive(Clone, Debug, Default, Args)]
pub struct Sources {
    /// A TOML file; the table `[proxy]` in it counts.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address for client traffic.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Address for /livez, /readyz and /metrics.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub ops_listen: Option<String>,
    /// Where the proxy keeps its files.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// The control plane's gRPC address, e.g. <https://tollgate-admin:9091>.
    #[arg(long, global = true, value_name = "URL")]
    pub admin_endpoint: Option<String>,
    /// Redis, for limits that several proxies share; better set as `TOLLGATE_PROXY_REDIS_URL` when it holds a password.
    #[arg(long, global = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// Log filter, e.g. `info` or `info,proxy_svc=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

impl Sources {
    pub(super) fn flags(&self) -> Vec<(&'static str, String)> {
        let Self { config: _, listen, ops_listen, data_dir, admin_endpoint, redis_url, log } = self;
        [
            ("listen", listen),
            ("ops_listen", ops_listen),
            ("data_dir", data_dir),
            ("admin_endpoint", admin_endpoint),
            ("redis_url", redis_url),
            ("log", log),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value.clone()?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_flags_may_follow_a_command() {
        let parse = |line: &[&str]| CommandLine::try_parse_from(line).unwrap();
        assert_eq!(parse(&["proxy-svc", "--check-config"]).wanted(), Command::Serve);
        let line = parse(&["proxy-svc", "healthcheck", "--ops-listen", "127.0.0.1:1"]);
        assert_eq!(line.wanted(), Command::Healthcheck);
        assert_eq!(line.sources.flags(), [("ops_listen", "127.0.0.1:1".to_owned())]);
    }
}
