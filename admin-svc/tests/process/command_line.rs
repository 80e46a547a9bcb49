//! Configuration and subcommands.

use std::{fs, time::Duration};

use serde_json::json;

use crate::program::{JOIN_TOKEN, Program, command, errors, run};

#[test]
fn bad_configuration_ends_with_2_and_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, field) in [
        ("TOLLGATE_ADMIN_LISTEN", "localhost", "listen:"),
        ("TOLLGATE_ADMIN_GRPC_LISTEN", "0.0.0.0:9091", "grpc_listen:"),
        ("TOLLGATE_ADMIN_DATABASE_URL", "mysql://host/db", "database_url:"),
        ("TOLLGATE_ADMIN_REDIS_URL", "http://host", "redis_url:"),
        ("TOLLGATE_ADMIN_MASTER_KEY", "short", "master_key:"),
        ("TOLLGATE_ADMIN_MASTER_KEY_FILE", "missing", "master_key_file:"),
        ("TOLLGATE_ADMIN_REGISTRATION_OPEN", "perhaps", "registration_open"),
        ("TOLLGATE_JOIN_TOKEN_FILE", "missing", "join_token:"),
        ("TOLLGATE_UPSTREAM_ALLOW_CIDRS", "localhost", "upstream_allow_cidrs:"),
        ("TOLLGATE_LOG", "admin_svc=loud", "log:"),
        ("TOLLGATE_LOG_FORMAT", "xml", "log_format:"),
        ("TOLLGATE_ADMIN_COLOUR", "red", "colour"),
    ] {
        let output = run(command(folder.path()).env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).env(variable, value), "");
        assert_eq!(output.status.code(), Some(2), "{variable}: {}", errors(&output));
        assert!(errors(&output).contains(field), "{variable}: {}", errors(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was touched");
}

#[test]
fn serving_needs_a_join_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&mut command(folder.path()), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("join_token:"), "{}", errors(&output));
}

#[test]
fn a_flag_goes_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.toml"), "log = 'info'\n[admin]\nlisten = 'file'\n[proxy]\nanything = 1\n")
        .unwrap();
    let check = |variable: Option<&str>, flag: Option<&str>| {
        let mut command = command(folder.path());
        command.env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).args(["--check-config", "--config", "file.toml"]);
        command.envs(variable.map(|value| ("TOLLGATE_ADMIN_LISTEN", value)));
        if let Some(flag) = flag {
            command.args(["--listen", flag]);
        }
        let output = run(&mut command, "");
        (output.status.code(), errors(&output))
    };
    let good = "127.0.0.1:0";
    assert!(check(None, None).1.contains("`file`"));
    assert!(check(Some("variable"), None).1.contains("`variable`"));
    assert!(check(Some("variable"), Some("flag")).1.contains("`flag`"));
    assert_eq!(check(Some(good), None).0, Some(0));
    assert_eq!(check(Some("variable"), Some(good)).0, Some(0));
}

#[test]
fn the_shipped_files_are_good() {
    for name in ["dev", "test", "prod"] {
        let file = format!("{}/../config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let output = run(
            command(folder.path()).env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).args(["--check-config", "--config", &file]),
            "",
        );
        assert_eq!(output.status.code(), Some(0), "{name}: {}", errors(&output));
    }
}

#[test]
fn help_and_version_need_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for argument in ["--help", "--version", "openapi"] {
        let output = run(command(folder.path()).arg(argument), "");
        assert_eq!(output.status.code(), Some(0), "{argument}");
        assert!(!output.stdout.is_empty(), "{argument}");
    }
}

#[test]
fn an_administrator_is_made_on_the_command_line_and_the_audit_log_holds() {
    let folder = tempfile::tempdir().unwrap();
    let with_data = || {
        let mut command = command(folder.path());
        command.args(["--data-dir", "data"]);
        command
    };
    assert_eq!(run(with_data().arg("migrate"), "").status.code(), Some(0));
    let create = ["create-admin", "--email", "admin@example.com"];
    let output = run(with_data().args(create), "correct horse battery staple\n");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(run(with_data().args(create), "short\n").status.code(), Some(1));
    let output = run(with_data().args(["audit", "verify"]), "");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));

    let key = fs::metadata(folder.path().join("data/master.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);

    let program = Program::start(with_data().env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).args([
        "--listen",
        "127.0.0.1:0",
        "--grpc-listen",
        "127.0.0.1:0",
        "--ops-listen",
        "127.0.0.1:0",
    ]));
    let body = json!({"email": "admin@example.com", "password": "correct horse battery staple"});
    let url = format!("{}/api/v1/auth/login", program.address("http"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(reqwest::Client::new().post(url).json(&body).send()).unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn a_changed_file_is_taken_over_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.toml");
    let write = |log: &str| fs::write(&file, format!("log = '{log}'\n")).unwrap();
    write("info");
    let mut command = command(folder.path());
    command.env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).args(["--config", "file.toml", "--data-dir", "data"]);
    for listener in ["--listen", "--grpc-listen", "--ops-listen"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    let program = Program::start(&mut command);
    program.address("ops");
    program.line("whole configuration published", |_| true);
    write("admin_svc=loud");
    program.line("the new configuration is not good", |fields| fields["error"].as_str().unwrap().starts_with("log:"));
    write("info,admin_svc=debug");
    program.line("configuration reloaded", |fields| fields["log"] == "info,admin_svc=debug");
    std::thread::sleep(Duration::from_millis(50));
    program.signal("-HUP");
    program.line("configuration reloaded", |_| true);
}
