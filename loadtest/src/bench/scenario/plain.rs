//! Small requests and answers, as many as one core can.

use anyhow::Result;

use super::super::contender::Stage;
use super::super::settings::Settings;
use super::super::wrk;
use super::{Figures, Meter, resident_mb};

const CONNECTIONS: usize = 64;

/// A chat request of some 500 bytes whose answer has some 700.
fn question() -> String {
    let words = "Tell me in one sentence what a gateway between applications and providers is good for. ";
    let content = words.repeat(3);
    format!(
        r#"{{"model":"gpt-4o-sim-bytes-90","messages":[{{"role":"system","content":"You are a helpful assistant that answers briefly and to the point."}},{{"role":"user","content":"{content}"}}],"temperature":0.7,"max_tokens":256}}"#
    )
}

pub(super) async fn measure(stage: &Stage, index: usize, settings: &Settings) -> Result<Option<Figures>> {
    load(stage, index, settings, &question(), CONNECTIONS).await.map(Some)
}

/// Load by `wrk` with one body.
pub(super) async fn load(
    stage: &Stage,
    index: usize,
    settings: &Settings,
    body: &str,
    connections: usize,
) -> Result<Figures> {
    let contender = &stage.contenders[index];
    let script = stage.scratch.file(&format!("{}.lua", contender.name));
    std::fs::write(&script, wrk::script(&contender.credential, body))?;
    let meter = Meter::start(contender)?;
    let measured = wrk::run(contender, settings, &script, connections).await?;
    Ok(Figures {
        per_second: Some(measured.requests_per_second),
        p50_ms: Some(measured.p50_ms),
        p99_ms: Some(measured.p99_ms),
        cpu_us: meter.each(contender, measured.requests)?,
        resident_mb: resident_mb(contender)?,
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_has_the_size_that_the_table_speaks_of() {
        assert!((450..550).contains(&question().len()), "{}", question().len());
    }
}
