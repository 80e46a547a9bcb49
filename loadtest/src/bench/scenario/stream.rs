//! Paced streams. Unpaced ones coalesce differently in each gateway and cannot be compared.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use memchr::memmem;
use tokio::task::JoinSet;

use super::super::client::{Client, request};
use super::super::contender::Contender;
use super::super::settings::Settings;
use super::super::statistics::{Samples, number};
use super::{Figures, Meter, resident_mb};

const CONNECTIONS: usize = 32;
const CHUNKS: usize = 50;
/// Leads to the provider that speaks Anthropic's protocol, where there is one.
pub(in super::super) const TRANSLATED: &str = "claude-*";

fn body(translated: bool) -> String {
    let model = if translated { "claude-sim-chunks-50-gap-2" } else { "gpt-4o-sim-chunks-50-gap-2" };
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"Stream something."}}]}}"#)
}

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    first: Samples,
    gaps: Samples,
}

/// `translated`: by a provider of another protocol.
pub(super) async fn measure(contender: &Contender, settings: &Settings, translated: bool) -> Result<Figures> {
    let body = body(translated);
    let request = Arc::new(request("POST", "/v1/chat/completions", Some(&contender.credential), body.as_bytes()));
    let meter = Meter::start(contender)?;
    let start = Instant::now();
    let end = start + settings.duration();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::connect(contender.address).await?;
        connections.spawn(streams(client, Arc::clone(&request), end));
    }
    let mut seen = Seen::default();
    while let Some(joined) = connections.join_next().await {
        let one = joined??;
        seen.streams += one.streams;
        seen.first.extend(one.first);
        seen.gaps.extend(one.gaps);
    }
    let elapsed = start.elapsed().as_secs_f64();
    let mut figures = Figures {
        per_second: Some(number(seen.streams) / elapsed),
        p50_ms: Some(seen.gaps.percentile_ms(50)),
        p99_ms: Some(seen.gaps.percentile_ms(99)),
        cpu_us: meter.each(contender, seen.streams)?,
        resident_mb: resident_mb(contender)?,
        ..Figures::default()
    };
    figures.others.insert("first token p50 ms", seen.first.percentile_ms(50));
    figures.others.insert("first token p99 ms", seen.first.percentile_ms(99));
    Ok(figures)
}

/// Stream after stream on one connection. Every stream is checked to be whole.
async fn streams(mut client: Client, request: Arc<Vec<u8>>, end: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    while Instant::now() < end {
        let start = Instant::now();
        let mut last = None;
        let mut events = 0;
        let answer = client
            .exchange(&request, |data, at| {
                let count = memmem::find_iter(data, b"data: ").count();
                if count == 0 {
                    return;
                }
                events += count;
                match last.replace(at) {
                    None => seen.first.push(at - start),
                    Some(before) => seen.gaps.push(at - before),
                }
            })
            .await?;
        // Role, content, finish, end.
        if answer.status != 200 || events != CHUNKS + 3 || !answer.body.ends_with(b"data: [DONE]\n\n") {
            bail!("a stream with status {} and {events} events", answer.status);
        }
        seen.streams += 1;
    }
    Ok(seen)
}
