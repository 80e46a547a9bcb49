//! A Redis of a test's own, which it may stop, kill and start again.

use std::{
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    eventually::{START, eventually},
    ports,
    process::Process,
};

#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    directory: PathBuf,
    process: Option<Process>,
}

impl Redis {
    /// `directory`: where its log goes. It stores nothing.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let mut redis = Self { address: ports::free()?, directory: directory.to_owned(), process: None };
        redis.start_again().await?;
        Ok(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// On the same port, and empty.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let port = self.address.port().to_string();
        let arguments = ["--port", port.as_str(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let environment = Vec::new();
        let binary = Path::new("/usr/bin/redis-server");
        self.process = Some(Process::start("redis-server", binary, &arguments, &environment, &self.directory)?);
        eventually("redis-server listens", START, async || Ok(TcpStream::connect(self.address).ok().map(drop))).await
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("redis-server is not running")?.kill()
    }

    /// How many keys it holds.
    pub async fn keys(&self) -> anyhow::Result<u64> {
        let mut connection = BufReader::new(tokio::net::TcpStream::connect(self.address).await?);
        connection.write_all(b"DBSIZE\r\n").await?;
        let mut answer = String::new();
        connection.read_line(&mut answer).await?;
        let count = answer.trim().strip_prefix(':').with_context(|| answer.clone())?;
        Ok(count.parse()?)
    }

    /// By name, e.g. `STOP`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        self.process.as_ref().context("redis-server is not running")?.signal(name)
    }
}
