//! What a contender adds to one request at a time.
//!
//! Everything shares one core: waking another core costs more than what is being measured.

use std::time::Instant;

use anyhow::{Result, bail};

use super::super::client::{Client, request};
use super::super::contender::{Contender, Stage};
use super::super::process::pin_self;
use super::super::settings::{Name, Settings};
use super::super::statistics::Samples;
use super::{Figures, Meter};

const BODY: &str = r#"{"model":"gpt-4o-sim-bytes-90","messages":[{"role":"user","content":"How late is it?"}]}"#;
const WARM_UP: usize = 200;

pub(super) async fn measure(stage: &Stage, index: usize, settings: &Settings) -> Result<Figures> {
    pin_self(settings.proxy_core)?;
    stage.provider.pin(settings.proxy_core)?;
    let measured = on_one_core(stage, index, settings).await;
    stage.provider.pin(settings.load_core)?;
    pin_self(settings.load_core)?;
    measured
}

async fn on_one_core(stage: &Stage, index: usize, settings: &Settings) -> Result<Figures> {
    let contender = &stage.contenders[index];
    let meter = Meter::start(contender)?;
    let (mut samples, mut direct) = match stage.contenders.iter().find(|other| other.name == Name::Direct) {
        // In turns, so that both see the same machine.
        Some(other) if contender.name != Name::Direct => alternate(contender, other, settings).await?,
        _ => (alone(contender, settings).await?, Samples::default()),
    };
    let mut figures = Figures {
        p50_ms: Some(samples.percentile_ms(50)),
        p99_ms: Some(samples.percentile_ms(99)),
        cpu_us: meter.each(contender, (samples.len() + WARM_UP) as u64)?,
        ..Figures::default()
    };
    if direct.len() > 0 {
        let added = |samples: &mut Samples, direct: &mut Samples, percent| {
            (samples.percentile_ms(percent) - direct.percentile_ms(percent)) * 1000.0
        };
        figures.others.insert("added p50 µs", added(&mut samples, &mut direct, 50));
        figures.others.insert("added p99 µs", added(&mut samples, &mut direct, 99));
    }
    Ok(figures)
}

struct Asker {
    client: Client,
    request: Vec<u8>,
    samples: Samples,
}

impl Asker {
    async fn new(contender: &Contender) -> Result<Self> {
        let client = Client::connect(contender.address).await?;
        let request = request("POST", "/v1/chat/completions", Some(&contender.credential), BODY.as_bytes());
        let mut this = Self { client, request, samples: Samples::default() };
        for _ in 0..WARM_UP {
            this.ask().await?;
        }
        this.samples = Samples::default();
        Ok(this)
    }

    async fn ask(&mut self) -> Result<()> {
        let start = Instant::now();
        let answer = self.client.exchange(&self.request, |_, _| ()).await?;
        if answer.status != 200 {
            bail!("status {}", answer.status);
        }
        self.samples.push(start.elapsed());
        Ok(())
    }
}

async fn alone(contender: &Contender, settings: &Settings) -> Result<Samples> {
    let mut asker = Asker::new(contender).await?;
    let end = Instant::now() + settings.duration();
    while Instant::now() < end {
        asker.ask().await?;
    }
    Ok(asker.samples)
}

async fn alternate(contender: &Contender, direct: &Contender, settings: &Settings) -> Result<(Samples, Samples)> {
    let (mut one, mut other) = (Asker::new(contender).await?, Asker::new(direct).await?);
    let end = Instant::now() + settings.duration();
    while Instant::now() < end {
        one.ask().await?;
        other.ask().await?;
    }
    Ok((one.samples, other.samples))
}
