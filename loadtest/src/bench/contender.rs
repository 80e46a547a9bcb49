//! Who is compared: how each is started, where it listens, what it wants as a credential.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::client::{Client, request};
use super::process::{Launch, Process, Scratch, free_address, sibling};
use super::settings::{Name, Settings};
use super::tollgate::Extent;
use super::{nginx, say, tollgate, verify, wrk};

const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const UPSTREAM_KEYS: [&str; 2] = ["sk-upstream-1", "sk-upstream-2"];

/// Everything that is running.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) provider: Process,
    pub(super) contenders: Vec<Contender>,
    /// Last: processes end before their files go.
    pub(super) scratch: Scratch,
}

#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: Name,
    pub(super) address: SocketAddr,
    pub(super) credential: String,
    /// What is measured; nothing stands between for `direct`.
    pub(super) process: Option<Process>,
    pub(super) launch: Option<Launch>,
    /// What it needs besides, on the other core.
    pub(super) helpers: Vec<Process>,
}

impl Stage {
    /// Starts provider and contenders, and verifies that they all give the same answers.
    pub(super) async fn set(settings: &Settings) -> Result<Self> {
        wrk::check().await?;
        let scratch = Scratch::new()?;
        let upstream = free_address()?;
        let launch = Launch {
            program: sibling("simulated-provider")?,
            arguments: vec!["--listen".to_owned(), upstream.to_string(), "--no-log".to_owned()],
            variables: Vec::new(),
            core: settings.load_core,
            output: scratch.file("simulated-provider.log"),
        };
        let mut provider = launch.start()?;
        let direct = Contender::new(Name::Direct, upstream, None)?;
        direct.first_answer(&mut provider).await.context("the simulated provider")?;
        let mut stage = Self { provider, contenders: vec![direct], scratch };
        for name in [Name::Nginx, Name::BarePingora, Name::Tollgate, Name::TollgateEverything] {
            if settings.wants(name) {
                stage.add(name, upstream, settings).await.with_context(|| format!("starting {name}"))?;
            }
        }
        for contender in &stage.contenders {
            verify::answers(contender, &stage.contenders[0])
                .await
                .with_context(|| format!("verifying {}", contender.name))?;
            say(&format!("{}: answers verified", contender.name));
        }
        if !settings.wants(Name::Direct) {
            stage.contenders.remove(0);
        }
        Ok(stage)
    }

    async fn add(&mut self, name: Name, upstream: SocketAddr, settings: &Settings) -> Result<()> {
        let started = match name {
            Name::Direct => return Ok(()),
            Name::Nginx => {
                nginx::launch(upstream, settings, &self.scratch)?.map(|(address, launch)| (address, launch, None))
            }
            Name::BarePingora => Some(bare_pingora(upstream, settings, &self.scratch)?),
            Name::Tollgate => tollgate::launch(Extent::Usual, upstream, settings, &self.scratch).await?,
            Name::TollgateEverything => tollgate::launch(Extent::Everything, upstream, settings, &self.scratch).await?,
        };
        let Some((address, launch, tollgate)) = started else {
            if settings.contenders.contains(&name) {
                bail!("its program was not found");
            }
            say(&format!("{name}: not found, left out"));
            return Ok(());
        };
        let mut contender = Contender::new(name, address, Some(launch))?;
        if let Some(tollgate::Ready { credential, helpers }) = tollgate {
            contender.credential = credential;
            contender.helpers = helpers;
        }
        contender.wait().await?;
        self.contenders.push(contender);
        Ok(())
    }
}

fn bare_pingora(
    upstream: SocketAddr,
    settings: &Settings,
    scratch: &Scratch,
) -> Result<(SocketAddr, Launch, Option<tollgate::Ready>)> {
    let address = free_address()?;
    let flags = ["--listen".to_owned(), address.to_string(), "--upstream".to_owned(), upstream.to_string()];
    let launch = Launch {
        program: sibling("bare-pingora")?,
        arguments: flags.into(),
        variables: Vec::new(),
        core: settings.proxy_core,
        output: scratch.file("bare-pingora.log"),
    };
    Ok((address, launch, None))
}

impl Contender {
    fn new(name: Name, address: SocketAddr, launch: Option<Launch>) -> Result<Self> {
        let process = launch.as_ref().map(Launch::start).transpose()?;
        let credential = UPSTREAM_KEYS[0].to_owned();
        Ok(Self { name, address, credential, process, launch, helpers: Vec::new() })
    }

    /// Waits until it answers as it should.
    pub(super) async fn wait(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let answered = self.first_answer(&mut process).await;
        self.process = Some(process);
        answered.map(drop)
    }

    async fn first_answer(&self, process: &mut Process) -> Result<Duration> {
        let body =
            json!({"model": "gpt-4o-sim-bytes-90", "messages": [{"role": "user", "content": "first"}]}).to_string();
        let request = request("POST", "/v1/chat/completions", Some(&self.credential), body.as_bytes());
        let start = Instant::now();
        loop {
            process.check()?;
            let answer = match Client::connect(self.address).await {
                Ok(mut client) => client.exchange(&request, |_, _| ()).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) if answer.status == 200 => return Ok(start.elapsed()),
                Ok(answer) if start.elapsed() > PATIENCE => {
                    bail!("no good answer: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
                }
                Err(error) if start.elapsed() > PATIENCE => return Err(error.context("no answer")),
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// Ends the measured process and starts it again; gives the time to its first good answer.
    pub(super) async fn restart(&mut self) -> Result<Option<Duration>> {
        let Some(launch) = &self.launch else { return Ok(None) };
        // It has to be gone before its successor can have the port.
        self.process = None;
        let mut process = launch.start()?;
        let took = self.first_answer(&mut process).await;
        self.process = Some(process);
        took.map(Some)
    }

    pub(super) fn cpu(&self) -> Result<Option<Duration>> {
        self.process.as_ref().map(Process::cpu).transpose()
    }

    pub(super) fn resident_bytes(&self) -> Result<Option<u64>> {
        self.process.as_ref().map(Process::resident_bytes).transpose()
    }
}
