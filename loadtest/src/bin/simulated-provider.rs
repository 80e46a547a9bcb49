//! The simulated provider as a program.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use loadtest::{LogOptions, Options, SimulatedProvider, TlsOptions};

/// Speaks the wire formats of OpenAI, Anthropic and Gemini without a model behind it.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Flags {
    #[arg(long, default_value = "127.0.0.1:9099")]
    listen: SocketAddr,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Wait before the head of every answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Content chunks of a stream.
    #[arg(long, default_value_t = 8)]
    chunks: u32,
    /// Wait before each content chunk.
    #[arg(long, default_value_t = 0)]
    chunk_gap_ms: u64,
    /// Length of the text that the model says.
    #[arg(long, default_value_t = 400)]
    answer_bytes: usize,
    /// Remember no requests: for measurements.
    #[arg(long)]
    no_log: bool,
    /// Refuse members that the provider does not know, whatever the model.
    #[arg(long)]
    strict: bool,
    /// A credential to refuse; may be given several times.
    #[arg(long)]
    bad_key: Vec<String>,
    /// Serve TLS (HTTP/1.1 and h2) with a certificate of an authority made at the start.
    #[arg(long)]
    tls: bool,
    /// Where the authority's certificate is written.
    #[arg(long, default_value = "simulated-provider-ca.pem")]
    tls_ca_file: PathBuf,
    /// A further name or address in the certificate; may be given several times.
    #[arg(long)]
    tls_name: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let tls = flags.tls.then_some(TlsOptions { names: flags.tls_name, ca_file: Some(flags.tls_ca_file) });
    let running = SimulatedProvider::start(Options {
        listen: flags.listen,
        threads: flags.threads,
        latency: Duration::from_millis(flags.latency_ms),
        chunks: flags.chunks,
        chunk_gap: Duration::from_millis(flags.chunk_gap_ms),
        answer_bytes: flags.answer_bytes,
        log: LogOptions { enabled: !flags.no_log, ..LogOptions::default() },
        strict: flags.strict,
        bad_keys: flags.bad_key,
        tls,
    })?;
    writeln!(std::io::stdout(), "simulated provider listening on {}", running.base_url())?;
    running.wait();
    Ok(())
}
