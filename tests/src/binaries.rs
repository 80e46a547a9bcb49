//! Where the programs under test are, and that they are up to date.
//!
//! They lie in the target directory that this program itself was built in. `scripts/test.sh` builds them once and says
//! so in `TOLLGATE_TEST_BINARIES_ARE_BUILT`; without it, as when a developer runs one test by hand, cargo is asked first.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// Set when whoever started the tests built the binaries already.
const ARE_BUILT: &str = "TOLLGATE_TEST_BINARIES_ARE_BUILT";

/// The directory that holds `admin-svc`, `proxy-svc` and `simulated-provider`.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    pub fn locate() -> anyhow::Result<Self> {
        let this = env::current_exe().context("the path of this program")?;
        let directory = this
            .ancestors()
            .skip(1)
            .find(|directory| !["deps", "examples"].iter().any(|name| directory.ends_with(name)))
            .context("this program lies in no directory")?;
        if env::var_os(ARE_BUILT).is_none() {
            build(directory)?;
        }
        Ok(Self(directory.to_owned()))
    }

    pub fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        ensure!(
            path.is_file(),
            "{} is not built: run `cargo build --workspace --bins --examples --tests`",
            path.display()
        );
        Ok(path)
    }
}

fn build(directory: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    // The selection decides the dependencies' features: another one than the scripts' would compile everything twice.
    cargo
        .args(["build", "--quiet", "--workspace", "--bins", "--examples", "--tests"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.stdin(Stdio::null()).status().context("cargo")?;
    ensure!(status.success(), "the build failed");
    Ok(())
}
