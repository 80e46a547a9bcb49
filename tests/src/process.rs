//! One program under test: started with a clean environment, its output kept in a file, killed when dropped.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::eventually::eventually;

/// Environment variables of a program.
pub type Environment = Vec<(&'static str, String)>;

#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// `directory`: its working directory; `log` is appended to, so that it spans restarts.
    pub fn start(
        name: &'static str,
        binary: &Path,
        arguments: &[&str],
        environment: &Environment,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        Ok(Self { name, child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it and its predecessors printed.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Fails when it has ended.
    pub fn ensure_running(&mut self) -> anyhow::Result<()> {
        let status = self.child.try_wait()?;
        ensure!(status.is_none(), "{} ended with {status:?}:\n{}", self.name, self.log()?);
        Ok(())
    }

    /// Waits until `GET http://<address>/readyz` is answered with success.
    pub async fn ready(&mut self, address: SocketAddr, within: Duration) -> anyhow::Result<()> {
        let url = format!("http://{address}/readyz");
        let what = format!("{} is ready", self.name);
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let ready = async || Ok(client.get(&url).send().await?.status().is_success().then_some(()));
        tokio::select! {
            ended = self.ended() => anyhow::bail!("{} ended with {:?}:\n{}", self.name, ended?, self.log()?),
            ready = eventually(&what, within, ready) => ready.with_context(|| self.log().unwrap_or_default()),
        }
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by name, e.g. `TERM`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        ensure!(status.success(), "kill -s {name} failed");
        Ok(())
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
