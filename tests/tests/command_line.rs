//! Both programs say what they are, and refuse bad configuration before they open anything.

use std::{path::Path, process::Command};

use anyhow::ensure;
use tollgate_tests::{Trio, binaries::Binaries, trio::Settings};

const SERVICES: [(&str, &str); 2] = [("admin-svc", "TOLLGATE_ADMIN"), ("proxy-svc", "TOLLGATE_PROXY")];

struct Output {
    code: Option<i32>,
    text: String,
}

fn run(service: &str, arguments: &[&str], environment: &[(&str, &str)], directory: &Path) -> anyhow::Result<Output> {
    let binary = Binaries::locate()?.path(service)?;
    let mut command = Command::new(binary);
    let output =
        command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(directory).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Output { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() })
}

#[test]
fn help_and_version_are_given() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    for (service, _) in SERVICES {
        let help = run(service, &["--help"], &[], directory.path())?;
        ensure!(help.code == Some(0) && help.text.contains("--config"), "{service}: {}", help.text);
        let version = run(service, &["--version"], &[], directory.path())?;
        ensure!(version.code == Some(0) && version.text.contains(service), "{service}: {}", version.text);
    }
    ensure!(directory.path().read_dir()?.next().is_none(), "asking for help left files behind");
    Ok(())
}

#[test]
fn good_configuration_is_accepted_without_starting() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    for (service, _) in SERVICES {
        let environment = [("TOLLGATE_JOIN_TOKEN", "0123456789abcdef0123456789abcdef")];
        let checked = run(service, &["--check-config"], &environment, directory.path())?;
        ensure!(checked.code == Some(0), "{service}: {:?} {}", checked.code, checked.text);
    }
    Ok(())
}

#[test]
fn bad_configuration_ends_with_status_2_and_names_the_field() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    for (service, prefix) in SERVICES {
        let listen = format!("{prefix}_LISTEN");
        for (variable, value, named) in [
            (listen.as_str(), "not an address", "listen"),
            (listen.as_str(), "127.0.0.1:99999", "listen"),
            ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "10.0.0.0/99", "upstream_allow_cidrs"),
            ("TOLLGATE_LOG_FORMAT", "xml", "log_format"),
        ] {
            for arguments in [&["--check-config"][..], &[]] {
                let environment = [("TOLLGATE_JOIN_TOKEN", "0123456789abcdef0123456789abcdef"), (variable, value)];
                let output = run(service, arguments, &environment, directory.path())?;
                let case =
                    format!("{service} {arguments:?} with {variable}={value}: {:?} {}", output.code, output.text);
                ensure!(output.code == Some(2), "{case}");
                ensure!(output.text.to_lowercase().contains(named), "the field is not named: {case}");
                ensure!(!output.text.contains("panicked"), "{case}");
            }
        }
    }
    ensure!(directory.path().read_dir()?.next().is_none(), "a refused start left files behind");
    Ok(())
}

#[test]
fn a_proxy_sends_its_join_token_in_clear_to_this_machine_only() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let environment = [
        ("TOLLGATE_JOIN_TOKEN", "0123456789abcdef0123456789abcdef"),
        ("TOLLGATE_PROXY_ADMIN_ENDPOINT", "http://admin.example:9091"),
    ];
    let output = run("proxy-svc", &["--check-config"], &environment, directory.path())?;
    ensure!(output.code == Some(2) && output.text.contains("admin_endpoint"), "{:?} {}", output.code, output.text);
    Ok(())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn the_proxy_keeps_more_memory_at_hand_unless_told_how() -> anyhow::Result<()> {
    for (chosen, in_force) in [(None, "GLIBC_TUNABLES=glibc.malloc.tcache_count=64"), (Some(""), "GLIBC_TUNABLES=")] {
        let proxy = chosen.map(|value| ("GLIBC_TUNABLES", value.to_owned())).into_iter().collect();
        let mut trio = Trio::start_with(Settings { proxy, ..Settings::default() }).await?;
        // The process that was started, and no child of it.
        let process = format!("/proc/{}", trio.proxy()?.id());
        let environment = std::fs::read(format!("{process}/environ"))?;
        let set: Vec<_> = environment.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"GLIBC_")).collect();
        ensure!(set == [in_force.as_bytes()], "{}", String::from_utf8_lossy(&environment));
        let name = std::fs::read(format!("{process}/cmdline"))?;
        ensure!(name.starts_with(Binaries::locate()?.path("proxy-svc")?.as_os_str().as_encoded_bytes()), "{name:?}");
    }
    Ok(())
}
