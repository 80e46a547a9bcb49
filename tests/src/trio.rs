//! The three processes together, each of which a test may stop, kill and start again.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use reqwest::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    binaries::Binaries,
    eventually::{START, eventually},
    ports,
    process::{Environment, Process},
    requests::{Answer, Call, Dialect},
    rest::Rest,
    seed::{Application, Seed, secret},
    simulator::Simulator,
};

const ADMINISTRATOR: &str = "root@example.test";

/// Where the processes listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub admin: SocketAddr,
    pub admin_grpc: SocketAddr,
    pub admin_ops: SocketAddr,
    pub proxy: SocketAddr,
    pub proxy_ops: SocketAddr,
    pub provider: SocketAddr,
}

/// What nobody but their owners may ever see.
#[derive(Clone, Debug)]
pub struct Secrets {
    pub setup_token: String,
    pub join_token: String,
    pub password: String,
}

/// Dropping it kills all three and removes what they stored.
#[derive(Debug)]
pub struct Trio {
    pub rest: Rest,
    pub simulator: Simulator,
    pub seed: Seed,
    pub addresses: Addresses,
    pub secrets: Secrets,
    admin: Option<Process>,
    proxy: Option<Process>,
    // Held for its drop only.
    _provider: Process,
    quiet: bool,
    binaries: Binaries,
    settings: Settings,
    directory: TempDir,
}

/// A further proxy of the same control plane; killed when dropped.
#[derive(Debug)]
pub struct AnotherProxy {
    pub address: SocketAddr,
    pub ops: SocketAddr,
    pub process: Process,
}

/// What a test wants otherwise than usual.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub admin: Environment,
    pub proxy: Environment,
}

impl Trio {
    /// All three are up, an administrator is signed in, the providers are known; there is no service yet.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(Settings::default()).await
    }

    pub async fn start_with(settings: Settings) -> anyhow::Result<Self> {
        let binaries = Binaries::locate()?;
        let directory = tempfile::Builder::new().prefix("tollgate-").tempdir()?;
        let addresses = Addresses {
            admin: ports::free()?,
            admin_grpc: ports::free()?,
            admin_ops: ports::free()?,
            proxy: ports::free()?,
            proxy_ops: ports::free()?,
            provider: ports::free()?,
        };
        let secrets = Secrets {
            setup_token: secret("setup", "token"),
            join_token: secret("join", "token"),
            password: secret("password", "Root"),
        };
        let simulator = Simulator::new(addresses.provider)?;
        let provider = start_provider(&binaries, addresses.provider, directory.path(), &simulator).await?;
        let mut admin = start_admin(&binaries, &addresses, &secrets, &settings, directory.path())?;
        admin.ready(addresses.admin_ops, START).await?;
        let origin = format!("http://{}", addresses.admin);
        let rest = Rest::set_up(origin, &secrets.setup_token, ADMINISTRATOR, &secrets.password).await?;
        let seed = Seed::plant(&rest, &simulator.origin()).await?;
        let mut trio = Self {
            rest,
            simulator,
            seed,
            addresses,
            secrets,
            admin: Some(admin),
            proxy: None,
            _provider: provider,
            quiet: false,
            binaries,
            settings,
            directory,
        };
        trio.start_proxy().await?;
        Ok(trio)
    }

    /// Three processes and a service that the proxy already serves, with two upstream keys in each pool.
    pub async fn with_application() -> anyhow::Result<(Self, Application)> {
        let trio = Self::start().await?;
        let application = trio.application("application", 2).await?;
        Ok((trio, application))
    }

    /// A new service that the proxy already serves, with the models that its providers list.
    pub async fn application(&self, name: &str, key_count: u32) -> anyhow::Result<Application> {
        let application = self.seed.application(&self.rest, name, key_count).await?;
        self.listed().await?;
        self.in_force().await?;
        Ok(application)
    }

    /// Waits until the proxy has acknowledged the newest revision.
    pub async fn in_force(&self) -> anyhow::Result<()> {
        eventually("the proxy has the newest configuration", START, async || {
            let proxies = self.rest.all("proxies").await?;
            Ok(proxies.iter().any(|proxy| proxy["converged"] == true).then_some(()))
        })
        .await
    }

    /// Waits until the control plane has fetched the lists of models of all providers that there are.
    pub async fn all_listed(&self) -> anyhow::Result<()> {
        eventually("all providers' models are known", START, async || {
            let providers = self.rest.all("providers").await?;
            let known = |provider: &serde_json::Value| provider["models"].as_array().is_some_and(|all| !all.is_empty());
            Ok(providers.iter().all(known).then_some(()))
        })
        .await
    }

    /// Waits until the control plane has fetched the lists of models of the seed's providers.
    pub async fn listed(&self) -> anyhow::Result<()> {
        for dialect in Dialect::ALL {
            let path = format!("providers/{}", self.seed.provider_id(dialect)?);
            eventually("the provider's models are known", START, async || {
                let provider = self.rest.get(&path).await?;
                let known = provider["models"].as_array().is_some_and(|models| !models.is_empty());
                Ok(known.then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    pub async fn start_admin(&mut self) -> anyhow::Result<()> {
        let mut admin =
            start_admin(&self.binaries, &self.addresses, &self.secrets, &self.settings, self.directory.path())?;
        admin.ready(self.addresses.admin_ops, START).await?;
        self.admin = Some(admin);
        Ok(())
    }

    pub async fn start_proxy(&mut self) -> anyhow::Result<()> {
        let environment = proxy_environment(&self.addresses, &self.secrets, &self.settings, self.directory.path());
        let binary = self.binaries.path("proxy-svc")?;
        let mut proxy = Process::start("proxy-svc", &binary, &[], &environment, self.directory.path())?;
        proxy.ready(self.addresses.proxy_ops, START).await?;
        self.proxy = Some(proxy);
        Ok(())
    }

    /// Starts a further proxy, with the settings of the first.
    pub async fn another_proxy(&self, name: &'static str) -> anyhow::Result<AnotherProxy> {
        let (address, ops) = (ports::free()?, ports::free()?);
        let addresses = Addresses { proxy: address, proxy_ops: ops, ..self.addresses };
        let directory = self.directory.path().join(name);
        std::fs::create_dir_all(&directory)?;
        let environment = proxy_environment(&addresses, &self.secrets, &self.settings, &directory);
        let mut process =
            Process::start(name, &self.binaries.path("proxy-svc")?, &[], &environment, self.directory.path())?;
        process.ready(ops, START).await?;
        Ok(AnotherProxy { address, ops, process })
    }

    /// Sends it; returns when it is at the provider, with the answer to come.
    pub async fn at_the_provider(&self, call: &Call) -> anyhow::Result<JoinSet<anyhow::Result<Answer>>> {
        let before = self.simulator.newest().await?;
        let mut running = JoinSet::new();
        let (call, address) = (call.clone(), self.addresses.proxy);
        running.spawn(async move { call.send(address).await });
        eventually("it is at the provider", START, async || {
            Ok((!self.simulator.requests(before).await?.is_empty()).then_some(()))
        })
        .await?;
        Ok(running)
    }

    /// SIGKILL.
    pub fn kill_admin(&mut self) -> anyhow::Result<()> {
        self.admin.take().context("admin-svc is not running")?.kill()
    }

    /// SIGKILL.
    pub fn kill_proxy(&mut self) -> anyhow::Result<()> {
        self.proxy.take().context("proxy-svc is not running")?.kill()
    }

    pub fn admin(&mut self) -> anyhow::Result<&mut Process> {
        self.admin.as_mut().context("admin-svc is not running")
    }

    pub fn proxy(&mut self) -> anyhow::Result<&mut Process> {
        self.proxy.as_mut().context("proxy-svc is not running")
    }

    /// Asks the proxy to end, and takes it out.
    pub fn terminate_proxy(&mut self) -> anyhow::Result<Process> {
        let proxy = self.proxy.take().context("proxy-svc is not running")?;
        proxy.signal("TERM")?;
        Ok(proxy)
    }

    /// Where all of their files lie: both data directories, and what they logged.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn admin_data(&self) -> PathBuf {
        self.directory.path().join("admin")
    }

    pub fn proxy_data(&self) -> PathBuf {
        self.directory.path().join("proxy")
    }

    /// What all three have logged.
    pub fn logs(&self) -> String {
        ["admin-svc", "proxy-svc", "simulated-provider"].map(|name| self.log(name)).join("\n")
    }

    pub fn log(&self, name: &str) -> String {
        std::fs::read(self.directory.path().join(format!("{name}.log")))
            .map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Shows nothing when dropped.
    pub fn keep_quiet(&mut self) {
        self.quiet = true;
    }

    /// Sends a call to the proxy.
    pub async fn send(&self, call: &Call) -> anyhow::Result<crate::Answer> {
        call.send(self.addresses.proxy).await
    }

    /// Revokes an access key; returns when the control plane has answered.
    pub async fn revoke(&self, access_key_id: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/access-keys/{access_key_id}");
        let (status, answer) = self.rest.call(Method::DELETE, &path, None).await?;
        anyhow::ensure!((200..300).contains(&status), "DELETE {path} answered {status}: {answer}");
        Ok(())
    }
}

impl Drop for Trio {
    /// A test's output is shown when it failed: then the services' last words explain why.
    fn drop(&mut self) {
        if self.quiet {
            return;
        }
        for name in ["admin-svc", "proxy-svc", "simulated-provider"] {
            let log = self.log(name);
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

async fn start_provider(
    binaries: &Binaries,
    address: SocketAddr,
    directory: &Path,
    simulator: &Simulator,
) -> anyhow::Result<Process> {
    let (binary, listen) = (binaries.path("simulated-provider")?, address.to_string());
    let arguments = ["--listen", listen.as_str()];
    let provider = Process::start("simulated-provider", &binary, &arguments, &Vec::new(), directory)?;
    eventually("the simulated provider answers", START, async || simulator.stats().await.map(Some)).await?;
    Ok(provider)
}

fn start_admin(
    binaries: &Binaries,
    addresses: &Addresses,
    secrets: &Secrets,
    settings: &Settings,
    directory: &Path,
) -> anyhow::Result<Process> {
    let mut environment = vec![
        ("TOLLGATE_ADMIN_LISTEN", addresses.admin.to_string()),
        ("TOLLGATE_ADMIN_GRPC_LISTEN", addresses.admin_grpc.to_string()),
        ("TOLLGATE_ADMIN_OPS_LISTEN", addresses.admin_ops.to_string()),
        ("TOLLGATE_ADMIN_DATA_DIR", directory.join("admin").display().to_string()),
        ("TOLLGATE_ADMIN_SETUP_TOKEN", secrets.setup_token.clone()),
        ("TOLLGATE_JOIN_TOKEN", secrets.join_token.clone()),
        ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8".to_owned()),
    ];
    environment.extend(settings.admin.iter().cloned());
    Process::start("admin-svc", &binaries.path("admin-svc")?, &[], &environment, directory)
}

fn proxy_environment(addresses: &Addresses, secrets: &Secrets, settings: &Settings, directory: &Path) -> Environment {
    let mut environment = vec![
        ("TOLLGATE_PROXY_LISTEN", addresses.proxy.to_string()),
        ("TOLLGATE_PROXY_OPS_LISTEN", addresses.proxy_ops.to_string()),
        ("TOLLGATE_PROXY_DATA_DIR", directory.join("proxy").display().to_string()),
        ("TOLLGATE_PROXY_ADMIN_ENDPOINT", format!("http://{}", addresses.admin_grpc)),
        ("TOLLGATE_JOIN_TOKEN", secrets.join_token.clone()),
        ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "127.0.0.0/8".to_owned()),
        // No balancer needs to notice that it drains.
        ("TOLLGATE_PROXY_TIMEOUTS__DRAIN_ACCEPT_MS", "200".to_owned()),
    ];
    environment.extend(settings.proxy.iter().cloned());
    environment
}
