//! A disk that is full: a file system of 2 MB in memory, which needs root to be mounted.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Duration,
};

use proxy_svc::report::{JournalError, JournalOptions, OpenIntent, Pressure, Reporter};
use tempfile::TempDir;
use tollgate_proto::Outcome;
use tollgate_shared::ids::RequestId;

use crate::{
    control_plane::{ControlPlane, Manners},
    delivery::Running,
    requests::Caller,
};

/// Unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tollgate-test"])
            .arg(directory.path())
            .status()
            .expect("mount can be run");
        assert!(mounted.success(), "this test mounts a tmpfs and therefore needs root (CAP_SYS_ADMIN)");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// The bound is far above what the disk has.
fn options(directory: &Path) -> JournalOptions {
    JournalOptions { segment_bytes: 256 << 10, max_bytes: 1 << 30, ..JournalOptions::new(directory.join("journal")) }
}

fn fill(reporter: &Reporter, caller: &Caller) -> Vec<(RequestId, OpenIntent)> {
    let mut begun = Vec::new();
    loop {
        let id = RequestId::generate();
        match reporter.begin(&caller.intent(id)) {
            Ok(open) => begun.push((id, open)),
            Err(JournalError::Full) => return begun,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Takes what is left of the disk.
fn eat(directory: &Path) {
    let mut file = File::create(directory.join("other")).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_refuses_new_requests_and_loses_none_in_flight() {
    let disk = SmallDisk::mount();
    let (reporter, _) = Reporter::open(options(disk.path())).unwrap();
    let caller = Caller::new();
    let begun = fill(&reporter, &caller);
    assert!(begun.len() > 1000, "{}", begun.len());
    assert_eq!(reporter.pressure(), Pressure::Full);
    eat(disk.path());
    let ids: Vec<RequestId> = begun.iter().map(|(id, _)| *id).collect();
    for (output, (id, open)) in (0..).zip(begun) {
        open.finish(&caller.event(id, output));
    }
    assert_eq!(reporter.open_intents(), 0);

    // Delivery frees the disk, and requests are taken again.
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    running.deliver_all().await;
    assert_eq!(plane.taken.lock().events.len(), ids.len());
    for (output, id) in (0..).zip(&ids) {
        let event = plane.taken.lock().events[&id.to_string()].clone();
        assert_eq!((event.outcome(), event.usage.unwrap().output), (Outcome::Ok, output));
    }
    let id = RequestId::generate();
    let again = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match running.reporter.begin(&caller.intent(id)) {
                Ok(open) => break open,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    again.await.expect("requests are taken again").finish(&caller.event(id, 5));
    running.deliver_all().await;
    assert!(plane.taken.lock().events.contains_key(&id.to_string()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_on_a_full_disk_is_recovered_from_on_the_full_disk() {
    let disk = SmallDisk::mount();
    let caller = Caller::new();
    let (reporter, _) = Reporter::open(options(disk.path())).unwrap();
    let mut begun = fill(&reporter, &caller);
    eat(disk.path());
    let interrupted = begun.split_off(begun.len() / 2);
    let count = (begun.len(), interrupted.len());
    for (output, (id, open)) in (0..).zip(begun) {
        open.finish(&caller.event(id, output));
    }
    // As a crash leaves it: a copy of the files, with the other requests still open.
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(disk.path().join("journal")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    for (id, open) in interrupted {
        open.finish(&caller.event(id, 0));
    }
    drop(reporter);
    for file in fs::read_dir(copy.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), disk.path().join("journal").join(file.file_name())).unwrap();
    }

    let (reporter, recovered) = Reporter::open(options(disk.path())).unwrap();
    assert_eq!(usize::try_from(recovered.interrupted).unwrap(), count.1);
    let plane = ControlPlane::new(Manners::default());
    let listening = plane.listen(None).await;
    let running = Running::start(reporter, listening.address);
    plane.has_taken(count.0 + count.1).await;
    running.deliver_all().await;
    let ended = |outcome| plane.taken.lock().events.values().filter(|event| event.outcome() == outcome).count();
    assert_eq!((ended(Outcome::Ok), ended(Outcome::Interrupted)), count);
    running.stop().await;
}
