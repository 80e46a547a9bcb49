//! `kill -9` at random moments: no request that began is missing afterwards, and no final that was written is changed.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use proxy_svc::report::{JournalOptions, Reporter, Tokens, UsageSource};
use tempfile::TempDir;
use tollgate_proto::Outcome;
use tollgate_shared::ids::RequestId;

use crate::{
    control_plane::{ControlPlane, Manners},
    delivery::{Running, small},
    requests::Caller,
};

const KILLS: usize = 30;

/// The process that gets killed. It tells on its standard error what it has done, each thing after it was done:
/// `begin <id>`, `checkpoint <id> <output>`, `finish <id> <output>`. Without a journal's directory on its standard
/// input it has nothing to do.
#[test]
#[ignore = "it is started by the test below, in a process of its own"]
fn process_that_is_killed() {
    let mut directory = String::new();
    std::io::stdin().read_line(&mut directory).unwrap();
    let directory = directory.trim();
    if directory.is_empty() {
        return;
    }
    let (reporter, recovered) = Reporter::open(options(Path::new(directory))).unwrap();
    say(&format!("recovered {} {}", recovered.interrupted, recovered.damaged));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let reporter = reporter.clone();
            thread::spawn(move || handle_requests(&reporter))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Never full: then a checkpoint may be left out.
fn options(directory: &Path) -> JournalOptions {
    JournalOptions { max_bytes: 256 << 20, ..small(directory) }
}

fn handle_requests(reporter: &Reporter) {
    let caller = Caller::new();
    let mut held = Vec::new();
    for number in 0..10_000_u64 {
        let id = RequestId::generate();
        let Ok(open) = reporter.begin(&caller.intent(id)) else { break };
        say(&format!("begin {id}"));
        held.push((id, open));
        if number % 3 == 0 {
            let (id, open) = &held[held.len() / 2];
            open.checkpoint(&Tokens { output: number, source: UsageSource::Partial, ..Tokens::default() }, None);
            say(&format!("checkpoint {id} {number}"));
        }
        if held.len() > 5 {
            let (id, open) = held.remove(0);
            open.finish(&caller.event(id, number));
            say(&format!("finish {id} {number}"));
        }
    }
    thread::sleep(Duration::from_mins(1));
}

fn say(line: &str) {
    let mut line = line.to_owned();
    line.push('\n');
    // One write, past the test harness's capture.
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}

/// What a killed process had told.
#[derive(Default)]
struct Told {
    begun: Vec<String>,
    checkpoints: HashMap<String, u64>,
    finished: HashMap<String, u64>,
}

fn start(directory: &Path) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::process_that_is_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin: ChildStdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", directory.display()).unwrap();
    let told = BufReader::new(child.stderr.take().unwrap());
    (child, told)
}

fn kill_after(directory: &Path, after: Duration, told: &mut Told) {
    let (mut child, lines) = start(directory);
    let reader = thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<String>>());
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reader.join().unwrap() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["begin", id] => told.begun.push(id.to_owned()),
            ["checkpoint", id, output] => {
                told.checkpoints.insert(id.to_owned(), output.parse().unwrap());
            }
            ["finish", id, output] => {
                told.finished.insert(id.to_owned(), output.parse().unwrap());
            }
            ["recovered", _, damaged] => assert_eq!(damaged, "0", "a killed process leaves no torn record"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_by_kill_minus_9() {
    let directory = TempDir::new().unwrap();
    let mut told = Told::default();
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let mut outcomes = HashMap::new();
    for _ in 0..KILLS {
        kill_after(directory.path(), Duration::from_millis(fastrand::u64(10..150)), &mut told);
        if fastrand::bool() {
            continue;
        }
        deliver(directory.path(), &listening).await;
    }
    deliver(directory.path(), &listening).await;

    let taken = plane.taken.lock();
    assert_eq!(taken.contradictions, 0);
    assert!(told.begun.len() > 100, "the processes did something: {}", told.begun.len());
    for id in &told.begun {
        let event = taken.events.get(id).unwrap_or_else(|| panic!("{id} began and is not reported"));
        *outcomes.entry(event.outcome()).or_insert(0) += 1;
        let usage = event.usage.as_ref().unwrap();
        match told.finished.get(id) {
            Some(output) => assert_eq!((event.outcome(), usage.output), (Outcome::Ok, *output)),
            None if event.outcome() == Outcome::Interrupted => {
                // A checkpoint may have been written and not told any more.
                let least = told.checkpoints.get(id).copied().unwrap_or(0);
                assert!(usage.output >= least, "{id}: {} after a checkpoint of {least}", usage.output);
            }
            // Finished, and killed before it could say so.
            None => assert_eq!(event.outcome(), Outcome::Ok),
        }
    }
    // What was written and not told: at most one a thread and kill.
    assert!(taken.events.len() <= told.begun.len() + 2 * KILLS);
    assert!(outcomes[&Outcome::Interrupted] > 0 && outcomes[&Outcome::Ok] > 0, "{outcomes:?}");
}

async fn deliver(directory: &Path, listening: &crate::control_plane::Listening) {
    let (reporter, _) = Reporter::open(options(directory)).unwrap();
    let running = Running::start(reporter, listening.address);
    running.deliver_all().await;
    running.stop().await;
}
