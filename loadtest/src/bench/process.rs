//! Child processes: pinned to a core, measured through `/proc`, ended with their owner.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The kernel counts CPU time for `/proc` in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// How to start a process, again and again.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) core: usize,
    /// Where its output goes: shown when it fails.
    pub(super) output: PathBuf,
}

/// A process at work; it ends when this is dropped, and also when the measuring process dies.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    output: PathBuf,
}

impl Launch {
    pub(super) fn start(&self) -> Result<Process> {
        let output = File::options().create(true).append(true).open(&self.output)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c", &self.core.to_string()])
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| {
                format!("starting {} (needs setpriv and taskset of util-linux)", self.program.display())
            })?;
        Ok(Process { child, output: self.output.clone() })
    }
}

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of its output, when the process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let output = std::fs::read_to_string(&self.output).unwrap_or_default();
            let tail: Vec<&str> = output.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("a process ended early ({status}):\n{}", tail.join("\n"));
        }
        Ok(())
    }

    /// User and system time so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The name, in brackets, may hold anything; the fields start behind it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        match (ticks.next(), ticks.next()) {
            (Some(Ok(user)), Some(Ok(system))) => {
                Ok(Duration::from_secs_f64((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND))
            }
            _ => bail!("cannot read the CPU time of process {}", self.id()),
        }
    }

    pub(super) fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        Ok(kilobytes.context("no VmRSS")? * 1024)
    }

    /// Moves all threads to a core.
    pub(super) fn pin(&self, core: usize) -> Result<()> {
        pin(self.id(), core)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pin(id: u32, core: usize) -> Result<()> {
    let pinned = Command::new("taskset")
        .args(["-acp", &core.to_string(), &id.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset (of util-linux) is needed")?;
    if !pinned.success() {
        bail!("cannot pin process {id} to core {core}");
    }
    Ok(())
}

pub(super) fn pin_self(core: usize) -> Result<()> {
    pin(std::process::id(), core)
}

/// As many descriptors as we may have; children inherit it. Without the right to more, it stays.
pub(super) fn raise_descriptor_limit() {
    let id = std::process::id().to_string();
    for limit in ["131072:131072", "65536:65536", "20000:20000"] {
        let raised =
            Command::new("prlimit").args(["--pid", &id, &format!("--nofile={limit}")]).stderr(Stdio::null()).status();
        if raised.is_ok_and(|status| status.success()) {
            return;
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A program beside this one.
pub(super) fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or_else(|| Path::new(".")).join(name))
}

/// A directory of this run, removed with it.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("gateway-bench-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed with the rest of the temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
