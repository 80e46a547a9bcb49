//! The watcher against a control plane that does as a test says, over real sockets.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio_util::task::TaskTracker;
use tollgate_proto as proto;

use super::*;
use crate::snapshot::fixture::*;

mod admin;
mod simulation;

use admin::{Admin, Answer};

const TOKEN: &str = "join-token";
/// Longer than any wait in a test that passes.
const PATIENCE: Duration = Duration::from_secs(10);

fn pace() -> Pace {
    Pace {
        connect: Duration::from_secs(2),
        silence: Duration::from_millis(700),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(50),
    }
}

/// A proxy's watcher; what it holds on disk outlives it.
struct Proxy {
    snapshots: Arc<Snapshots>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    fn start(port: u16, data_dir: &Path) -> Self {
        let uri = format!("http://127.0.0.1:{port}").parse().unwrap();
        Self::start_with(&AdminEndpoint { uri, authorities_pem: None }, data_dir)
    }

    fn start_with(admin: &AdminEndpoint, data_dir: &Path) -> Self {
        let (snapshots, metrics) = (Arc::new(Snapshots::new()), Arc::new(Metrics::default()));
        let watcher = Watcher::start(WatcherParts {
            snapshots: Arc::clone(&snapshots),
            metrics: Arc::clone(&metrics),
            clock: Clock::system(),
            identity: Identity::load_or_create(data_dir).unwrap(),
            admin,
            join_token: &Secret::new(TOKEN.into()),
            data_dir,
            pace: pace(),
        })
        .unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(watcher.run(stop.clone()));
        tasks.close();
        Self { snapshots, metrics, stop, tasks }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("the watcher stops");
    }

    fn revision(&self) -> u64 {
        self.snapshots.load().revision
    }

    fn knows(&self, number: u8) -> bool {
        self.snapshots.load().access_key(&mac(number)).is_some()
    }
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

struct Setting {
    admin: Admin,
    folder: TempDir,
}

impl Setting {
    async fn new() -> Self {
        Self { admin: Admin::start(TOKEN).await, folder: tempfile::tempdir().unwrap() }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn proxy(&self) -> Proxy {
        Proxy::start(self.admin.port, &self.data_dir())
    }
}

#[tokio::test]
async fn the_first_snapshot_makes_ready_and_is_acknowledged_once_it_is_stored() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    assert_eq!((stream.hello.epoch.as_str(), stream.hello.revision, stream.hello.schema), ("", 0, 1));
    assert!(!proxy.snapshots.is_ready());
    stream.snapshot("e", 5, 1, world(), 40).await;
    tokio::time::timeout(PATIENCE, proxy.snapshots.wait_ready()).await.unwrap();
    assert!(proxy.knows(1));
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 1, revision: 5 });
    assert!(setting.data_dir().join("snapshot.bin").exists());
    assert_eq!(proxy.metrics.configuration.connected.get(), 1);
    assert_eq!(proxy.metrics.configuration.revision.get(), 5);
    proxy.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_out_with_the_delta() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    stream
        .delta("e", 5, 6, 2, vec![access_key(2, 1, |_| ())], vec![reference(proto::ResourceKind::AccessKey, 1)])
        .await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 2, revision: 6 });
    assert!(!proxy.knows(1) && proxy.knows(2));
    proxy.stop().await;
}

#[tokio::test]
async fn what_cannot_be_applied_is_named_and_the_rest_is_in_force() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    let bad = service_resource(1, |service| service.ip_allow = vec!["sk-canary".into()]);
    stream.delta("e", 5, 6, 2, vec![bad, access_key(2, 1, |_| ())], vec![]).await;
    let Answer::Nack { nonce: 2, applied: 6, errors } = stream.answer().await else { panic!("not refused") };
    let error = &errors[0];
    assert_eq!((errors.len(), error.field.as_str()), (1, "ip_allow[0]"));
    assert_eq!(error.resource, Some(reference(proto::ResourceKind::Service, 1)));
    assert!(!error.message.contains("canary"));
    assert!(proxy.knows(1) && proxy.knows(2));
    assert_eq!(proxy.metrics.configuration.rejected_resources.get(), 1);
    stream.delta("e", 6, 7, 3, vec![service_resource(1, |_| ())], vec![]).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 3, revision: 7 });
    proxy.stop().await;
}

#[tokio::test]
async fn a_restarted_proxy_serves_without_the_control_plane_and_says_what_it_holds() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    let first = stream.hello.clone();
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    proxy.stop().await;
    drop(stream);
    let port = setting.admin.stop().await;
    let proxy = setting.proxy();
    assert!(proxy.snapshots.is_ready() && proxy.knows(1), "ready as soon as it is started");
    assert!(proxy.metrics.configuration_staleness().is_some());
    setting.admin = Admin::start_at(port, TOKEN).await;
    let mut stream = setting.admin.accept().await;
    assert_eq!((stream.hello.epoch.as_str(), stream.hello.revision), ("e", 5));
    assert_eq!(stream.hello.proxy_id, first.proxy_id);
    assert_ne!(stream.hello.boot_id, first.boot_id);
    stream.delta("e", 5, 6, 1, vec![], vec![reference(proto::ResourceKind::AccessKey, 1)]).await;
    stream.answer().await;
    assert!(!proxy.knows(1));
    proxy.stop().await;
}

#[tokio::test]
async fn a_change_that_does_not_follow_is_answered_by_asking_for_everything() {
    for (epoch, from, to) in [("e", 6, 7), ("other", 5, 6), ("e", 3, 4)] {
        let mut setting = Setting::new().await;
        let proxy = setting.proxy();
        let mut stream = setting.admin.accept().await;
        stream.snapshot("e", 5, 1, world(), 1 << 20).await;
        stream.answer().await;
        stream.delta(epoch, from, to, 2, vec![], vec![]).await;
        assert!(matches!(stream.answer().await, Answer::Nack { nonce: 2, applied: 5, .. }));
        let mut again = setting.admin.accept().await;
        assert_eq!((again.hello.epoch.as_str(), again.hello.revision), ("", 0));
        assert!(proxy.knows(1), "the snapshot in force stays");
        again.snapshot("e", 7, 1, world(), 1 << 20).await;
        assert_eq!(again.answer().await, Answer::Ack { nonce: 1, revision: 7 });
        proxy.stop().await;
    }
}

#[tokio::test]
async fn an_older_snapshot_is_refused_and_another_databases_is_taken() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    stream.snapshot("e", 4, 2, vec![], 1 << 20).await;
    assert!(matches!(stream.answer().await, Answer::Nack { nonce: 2, applied: 5, .. }));
    let stream = setting.admin.accept().await;
    assert_eq!(stream.hello.revision, 5);
    assert!(proxy.knows(1));
    stream.heartbeat("restored", 1).await;
    let mut stream = setting.admin.accept().await;
    assert_eq!(stream.hello.epoch, "");
    stream.snapshot("restored", 1, 1, world(), 1 << 20).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 1, revision: 1 });
    assert_eq!(proxy.snapshots.load().epoch, "restored");
    proxy.stop().await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_stream_is_opened() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    let chunk = |index, count, data: &'static [u8]| proto::SnapshotChunk {
        epoch: "e".into(),
        revision: 6,
        nonce: 2,
        index,
        count,
        data: data.into(),
        sha256: vec![0; 32].into(),
    };
    stream.chunk(chunk(0, 1, b"garbage")).await;
    let Answer::Nack { nonce: 2, applied: 5, errors } = stream.answer().await else { panic!("not refused") };
    assert!(errors[0].message.contains("cannot be unpacked"), "{errors:?}");
    let stream = setting.admin.accept().await;
    stream.chunk(chunk(1, 2, b"no beginning")).await;
    let stream = setting.admin.accept().await;
    stream.raw(proto::WatchResponse { message: None }).await;
    stream.close(tonic::Status::internal("trouble")).await;
    let stream = setting.admin.accept().await;
    assert_eq!((stream.hello.epoch.as_str(), stream.hello.revision), ("e", 5));
    assert!(proxy.knows(1));
    proxy.stop().await;
}

#[tokio::test]
async fn a_silent_stream_is_dead_and_heartbeats_keep_one_alive() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    for _ in 0..5 {
        tokio::time::sleep(pace().silence / 3).await;
        stream.heartbeat("e", 5).await;
    }
    assert_eq!(proxy.metrics.configuration.reconnects.get(), 0);
    let mut other = setting.admin.accept().await;
    assert_eq!(proxy.metrics.configuration.reconnects.get(), 1, "after the last heartbeat it fell silent");
    other.delta("e", 5, 6, 1, vec![], vec![]).await;
    assert_eq!(other.answer().await, Answer::Ack { nonce: 1, revision: 6 });
    proxy.stop().await;
}

#[tokio::test]
async fn a_change_that_got_lost_is_noticed_by_the_heartbeats() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    for _ in 0..3 {
        stream.heartbeat("e", 6).await;
    }
    let again = setting.admin.accept().await;
    assert_eq!(again.hello.revision, 5);
    proxy.stop().await;
}

#[tokio::test]
async fn a_replica_that_is_a_little_behind_is_no_reason_to_leave() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    for _ in 0..6 {
        stream.heartbeat("e", 4).await;
    }
    stream.delta("e", 5, 6, 2, vec![], vec![]).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 2, revision: 6 });
    proxy.stop().await;
}

#[tokio::test]
async fn a_wrong_join_token_gets_nothing_and_is_tried_again_with_patience() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin::start("another-token").await;
    let proxy = Proxy::start(admin.port, folder.path());
    eventually("several tries", || proxy.metrics.configuration.reconnects.get() >= 3).await;
    assert!(!proxy.snapshots.is_ready());
    assert_eq!(proxy.metrics.configuration.connected.get(), 0);
    proxy.stop().await;
}

#[tokio::test]
async fn only_an_authority_that_is_trusted_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    let identity = tonic::transport::Identity::from_pem(&pem, certified.signing_key.serialize_pem());
    let mut admin = Admin::start_as(identity, TOKEN).await;
    let endpoint = |host: &str, authorities_pem| AdminEndpoint {
        uri: format!("https://{host}:{}", admin.port).parse().unwrap(),
        authorities_pem,
    };
    let own = Some(pem.into_bytes());
    for stranger in [endpoint("localhost", None), endpoint("127.0.0.1", own.clone())] {
        let proxy = Proxy::start_with(&stranger, folder.path());
        eventually("a few tries", || proxy.metrics.configuration.reconnects.get() >= 2).await;
        assert_eq!(proxy.metrics.configuration.connected.get(), 0);
        proxy.stop().await;
    }
    let proxy = Proxy::start_with(&endpoint("localhost", own), folder.path());
    let mut stream = admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 1, revision: 5 });
    proxy.stop().await;
}

#[tokio::test]
async fn a_revocation_is_in_force_though_it_cannot_be_stored() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    // A folder where the temporary file goes: as good as a full disk, also for root.
    std::fs::create_dir(setting.data_dir().join("snapshot.tmp")).unwrap();
    stream.delta("e", 5, 6, 2, vec![], vec![reference(proto::ResourceKind::AccessKey, 1)]).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 2, revision: 6 });
    assert!(!proxy.knows(1));
    let metrics = &proxy.metrics.configuration;
    assert_eq!((metrics.not_stored.get(), metrics.store_failures.get()), (1, 1));
    std::fs::remove_dir(setting.data_dir().join("snapshot.tmp")).unwrap();
    stream.delta("e", 6, 7, 3, vec![], vec![]).await;
    stream.answer().await;
    assert_eq!(proxy.metrics.configuration.not_stored.get(), 0);
    proxy.stop().await;
}

#[tokio::test]
async fn a_burst_of_changes_is_in_force_and_each_is_answered() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 0, 1, world(), 1 << 20).await;
    stream.answer().await;
    for revision in 1..=40 {
        let key = access_key(u8::try_from(revision).unwrap() + 1, 1, |_| ());
        stream.delta("e", revision - 1, revision, revision + 1, vec![key], vec![]).await;
    }
    for revision in 1..=40 {
        assert_eq!(stream.answer().await, Answer::Ack { nonce: revision + 1, revision });
    }
    assert!((1..=41).all(|number| proxy.knows(number)));
    proxy.stop().await;
    let restarted = setting.proxy();
    assert_eq!(restarted.revision(), 40, "what was acknowledged is stored");
    restarted.stop().await;
}

#[tokio::test]
async fn a_damaged_stored_snapshot_starts_cold_and_is_asked_for() {
    let mut setting = Setting::new().await;
    let proxy = setting.proxy();
    let mut stream = setting.admin.accept().await;
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    stream.answer().await;
    proxy.stop().await;
    let path = setting.data_dir().join("snapshot.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let proxy = setting.proxy();
    assert!(!proxy.snapshots.is_ready());
    let mut stream = setting.admin.accept().await;
    assert_eq!(stream.hello.epoch, "");
    stream.snapshot("e", 5, 1, world(), 1 << 20).await;
    assert_eq!(stream.answer().await, Answer::Ack { nonce: 1, revision: 5 });
    assert!(proxy.knows(1));
    proxy.stop().await;
}
