//! Plain load by `wrk`, and reading what it says.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::contender::Contender;
use super::settings::Settings;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Fails with a hint when `wrk` is not there.
pub(super) async fn check() -> Result<()> {
    let found = Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    found.map(drop).context("wrk is needed for the load: apt-get install wrk")
}

/// The script that makes `wrk` send one request over and over.
pub(super) fn script(credential: &str, body: &str) -> String {
    // A long bracket of a level that the body does not close.
    let level = "=".repeat(4);
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Authorization\"] = \"Bearer {credential}\"\n\
         wrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [{level}[{body}]{level}]\n"
    )
}

pub(super) async fn run(
    contender: &Contender,
    settings: &Settings,
    script: &Path,
    connections: usize,
) -> Result<Measured> {
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "-c", &settings.load_core.to_string(), "wrk", "-t1", "--latency"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", settings.seconds))
        .arg("-s")
        .arg(script)
        .arg(format!("http://{}/v1/chat/completions", contender.address))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("running wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk: {}{}", text, String::from_utf8_lossy(&output.stderr));
    }
    parse(&text).with_context(|| format!("{} under load:\n{text}", contender.name))
}

fn parse(text: &str) -> Result<Measured> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("there were errors: its figures mean nothing");
    }
    let field = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let requests = text.lines().find(|line| line.contains(" requests in "));
    let requests = requests.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    let rate = field("Requests/sec:").and_then(|rate| rate.parse().ok());
    let latency = |name: &str| field(name).and_then(milliseconds);
    Ok(Measured {
        requests: requests.context("no count of requests")?,
        requests_per_second: rate.context("no rate")?,
        p50_ms: latency("50%").context("no median")?,
        p99_ms: latency("99%").context("no 99th percentile")?,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.strip_suffix("us")?, 0.001),
        text if text.ends_with("ms") => (text.strip_suffix("ms")?, 1.0),
        text => (text.strip_suffix('s')?, 1000.0),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 5s test @ http://127.0.0.1:1/x\n  1 threads and 64 connections\n  \
        Latency Distribution\n     50%  690.00us\n     75%    0.91ms\n     90%   1.65ms\n     99%    1.20s \n  \
        70388 requests in 5.06s, 109.28MB read\nRequests/sec:  13898.69\nTransfer/sec:     21.58MB\n";

    #[test]
    fn figures_are_read_in_their_units() {
        let measured = parse(OUTPUT).unwrap();
        assert_eq!(measured.requests, 70_388);
        assert!((measured.p50_ms - 0.69).abs() < 1e-9 && (measured.p99_ms - 1200.0).abs() < 1e-9);
    }

    #[test]
    fn errors_void_a_measurement() {
        assert!(parse(&format!("{OUTPUT}  Non-2xx or 3xx responses: 3\n")).is_err());
        assert!(parse(&format!("{OUTPUT}  Socket errors: connect 0, read 1, write 0, timeout 0\n")).is_err());
    }
}
