//! A private PostgreSQL cluster for this process, and a fresh schema in it for each test (a database of its own would
//! cost a copy of the template each time).
//!
//! The cluster lives in a temporary folder and is reached through a socket there, so no port can be taken. A shell
//! stands between: it stops the cluster when its standard input ends, that is, whenever this process ends, however it
//! does. When PostgreSQL is not installed, tests fail and say so: a test that is skipped proves nothing.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_mins(1);

/// `$1`: folder of the programs, `$2`: folder of the cluster. Durability is off: only one process ever reads it.
const SCRIPT: &str = r#"
    "$1/initdb" --pgdata="$2/data" --auth=trust --username=tollgate --encoding=UTF8 --no-locale --no-sync >"$2/log" 2>&1 || exit 1
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses='' -c fsync=off -c max_connections=200 >>"$2/log" 2>&1 &
    server=$!
    read -r _
    kill -QUIT "$server"
    wait "$server"
"#;

/// A running cluster; stops when the last holder drops it.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: TempDir,
    process: Child,
    keep_running: Option<ChildStdin>,
}

/// A schema of its own, and its cluster.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    _cluster: Arc<Cluster>,
}

/// A new, empty schema.
pub(crate) async fn database() -> Database {
    let cluster = shared_cluster().await;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&cluster.url()).await.expect("connect to the test cluster");
    let statement = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
    connection.execute(statement).await.expect("create a test schema");
    connection.close().await.expect("leave the test cluster");
    Database { url: format!("{}&options[search_path]={name}", cluster.url()), _cluster: cluster }
}

/// The running cluster; it stops when nobody holds it.
pub(crate) async fn shared_cluster() -> Arc<Cluster> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let cluster = {
        let mut shared = SHARED.lock();
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    };
    cluster.ready().await;
    cluster
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tollgate-postgres-").tempdir().expect("a temporary folder");
        // The server runs as another user when we are root.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("open the folder");
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let mut process = command
            .args(["-c", SCRIPT, "sh"])
            .arg(programs())
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start PostgreSQL");
        let keep_running = process.stdin.take();
        Self { folder, process, keep_running }
    }

    fn url(&self) -> String {
        format!("postgres://tollgate@localhost/postgres?host={}", self.folder.path().display())
    }

    async fn ready(&self) {
        let started = Instant::now();
        while PgConnection::connect(&self.url()).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < READY_WITHIN, "PostgreSQL does not start:\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keep_running.take());
        self.process.wait().ok();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("run `id`");
    output.stdout.trim_ascii() == b"0"
}

/// Debian keeps the programs out of the path.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(["/usr/local/bin", "/usr/bin", "/usr/local/pgsql/bin"].map(|folder| Path::new(folder).to_owned()));
    let found = folders.into_iter().rev().find(|folder| folder.join("initdb").exists());
    found.expect("PostgreSQL is needed for these tests: install Debian's `postgresql` or the like")
}
