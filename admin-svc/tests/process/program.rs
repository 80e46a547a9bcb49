//! Starts the program and finds its listeners from its log.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::Value;

pub(crate) const JOIN_TOKEN: &str = "join-token-of-the-tests";
pub(crate) const SETUP_TOKEN: &str = "setup-token-of-the-tests";
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// The program with nothing in its environment that the test did not put there.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admin-svc"));
    command.env_clear().current_dir(folder).env("TOLLGATE_LOG_FORMAT", "json");
    command
}

/// Runs the program to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Program {
    /// Serves on free ports, with its data in a folder.
    pub(crate) fn serve(folder: &Path) -> Self {
        let mut command = command(folder);
        command.env("TOLLGATE_JOIN_TOKEN", JOIN_TOKEN).env("TOLLGATE_ADMIN_SETUP_TOKEN", SETUP_TOKEN);
        for listener in ["LISTEN", "GRPC_LISTEN", "OPS_LISTEN"] {
            command.env(format!("TOLLGATE_ADMIN_{listener}"), "127.0.0.1:0");
        }
        Self::start(&mut command)
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (seen, errors) = (Arc::clone(&lines), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                seen.lock().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, lines }
    }

    /// Waits for a log line with a message; gives its fields.
    pub(crate) fn line(&self, message: &str, accepted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let found = self.lines.lock().iter().map(|line| line["fields"].clone()).find(|fields| {
                fields["message"].as_str().is_some_and(|text| text.contains(message)) && accepted(fields)
            });
            if let Some(fields) = found {
                return fields;
            }
            assert!(started.elapsed() < STARTED_WITHIN, "no line `{message}` in {:?}", self.lines.lock());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn address(&self, listener: &str) -> String {
        let fields = self.line("listening", |fields| fields["listener"] == listener);
        format!("http://{}", fields["address"].as_str().unwrap())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: exit code and how long it took.
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), started.elapsed())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
