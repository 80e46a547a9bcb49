//! A control plane and a proxy that both do badly, at random but the same for each seed: the proxy always converges, and
//! never goes back behind what it acknowledged.

use std::collections::BTreeSet;

use super::{
    admin::{AdminStream, Answer},
    *,
};

/// What the control plane's database holds: its revision, and the access keys that exist.
struct Truth {
    epoch: String,
    revision: u64,
    keys: BTreeSet<u8>,
    /// Since the database has this name: each revision, the key that it touched, and what existed then.
    log: Vec<(u64, u8, BTreeSet<u8>)>,
}

impl Truth {
    fn change(&mut self, random: &mut fastrand::Rng) {
        self.revision += 1;
        let key = random.u8(1..30);
        if !self.keys.remove(&key) {
            self.keys.insert(key);
        }
        self.log.push((self.revision, key, self.keys.clone()));
    }

    /// The database is restored from a backup: an older state under a new name.
    fn restore(&mut self, random: &mut fastrand::Rng) {
        self.epoch = format!("epoch-{}", random.u32(..));
        self.revision = random.u64(1..5);
        self.log.clear();
    }

    async fn send_all(&self, stream: &AdminStream, nonce: u64) {
        stream.snapshot(&self.epoch, self.revision, nonce, resources(&self.keys), 100).await;
    }

    /// As a replica would that has not read the newest revisions.
    async fn send_old(&self, stream: &AdminStream, nonce: u64, random: &mut fastrand::Rng) {
        if let Some((revision, _, keys)) = random.choice(&self.log) {
            stream.snapshot(&self.epoch, *revision, nonce, resources(keys), 200).await;
        }
    }

    async fn send_change(&self, stream: &AdminStream, from: u64, nonce: u64) {
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        let touched: BTreeSet<u8> = self.log.iter().filter(|(at, ..)| *at > from).map(|(_, key, _)| *key).collect();
        for key in touched {
            if self.keys.contains(&key) {
                upserts.push(access_key(key, 1, |_| ()));
            } else {
                deletes.push(reference(proto::ResourceKind::AccessKey, key));
            }
        }
        stream.delta(&self.epoch, from, self.revision, nonce, upserts, deletes).await;
    }
}

fn resources(keys: &BTreeSet<u8>) -> Vec<proto::Resource> {
    let mut resources = world();
    resources.pop();
    resources.extend(keys.iter().map(|key| access_key(*key, 1, |_| ())));
    resources
}

/// What was acknowledged, and what came in force since.
#[derive(Default)]
struct Seen {
    epoch: String,
    acknowledged: u64,
}

impl Seen {
    fn check(&mut self, proxy: &Proxy) {
        let snapshot = proxy.snapshots.load();
        if snapshot.epoch == self.epoch {
            assert!(snapshot.revision >= self.acknowledged, "{} after {}", snapshot.revision, self.acknowledged);
        }
    }

    fn acknowledge(&mut self, epoch: &str, revision: u64) {
        (self.epoch, self.acknowledged) = (epoch.to_owned(), revision);
    }
}

/// One stream, with trouble. The proxy may lose it at any point.
async fn troubled_stream(stream: &mut AdminStream, truth: &mut Truth, seen: &mut Seen, random: &mut fastrand::Rng) {
    let mut nonce = 0;
    let mut sent = (stream.hello.epoch.clone(), stream.hello.revision);
    for _ in 0..random.usize(1..6) {
        if random.u8(..4) == 0 {
            truth.change(random);
        }
        nonce += 1;
        match random.u8(..10) {
            0 => return,
            1 => stream.heartbeat(&truth.epoch, truth.revision).await,
            2 => truth.send_old(stream, nonce, random).await,
            // A change that follows another one, which got lost.
            3 => stream.delta(&truth.epoch, truth.revision + 1, truth.revision + 2, nonce, vec![], vec![]).await,
            4 => {
                let data = vec![random.u8(..); 50].into();
                let (epoch, sha256) = (truth.epoch.clone(), vec![0; 32].into());
                let (index, count) = (random.u32(..2), random.u32(..3));
                let revision = truth.revision;
                let chunk = proto::SnapshotChunk { epoch, revision, nonce, index, count, data, sha256 };
                stream.chunk(chunk).await;
            }
            _ if sent.0 == truth.epoch && sent.1 <= truth.revision => truth.send_change(stream, sent.1, nonce).await,
            _ => truth.send_all(stream, nonce).await,
        }
        let answered = tokio::time::timeout(Duration::from_millis(30), stream.answer()).await;
        match answered {
            Ok(Answer::Ack { revision, .. }) => {
                seen.acknowledge(&truth.epoch, revision);
                sent = (truth.epoch.clone(), revision);
            }
            Ok(Answer::Nack { .. } | Answer::End) => return,
            Err(_) => {}
        }
    }
}

async fn simulate(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut setting = Setting::new().await;
    let mut truth = Truth { epoch: "first".into(), revision: 1, keys: [1, 2, 3].into(), log: vec![] };
    let mut seen = Seen::default();
    let mut proxy = setting.proxy();
    for _ in 0..12 {
        truth.change(&mut random);
        match random.u8(..8) {
            0 => {
                proxy.stop().await;
                proxy = setting.proxy();
                seen.check(&proxy);
            }
            1 => {
                let port = setting.admin.stop().await;
                setting.admin = Admin::start_at(port, TOKEN).await;
            }
            2 => truth.restore(&mut random),
            _ => {}
        }
        if let Some(mut stream) = setting.admin.accept_within(Duration::from_secs(1)).await {
            troubled_stream(&mut stream, &mut truth, &mut seen, &mut random).await;
        }
        seen.check(&proxy);
    }
    converge(&mut setting, &proxy, &truth).await;
    proxy.stop().await;
    let restarted = setting.proxy();
    assert_eq!(keys(&restarted), truth.keys, "what it converged to is stored");
    restarted.stop().await;
}

/// From here on the control plane does everything right.
async fn converge(setting: &mut Setting, proxy: &Proxy, truth: &Truth) {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "not converged: at {}, not {}", proxy.revision(), truth.revision);
        let mut stream = setting.admin.accept().await;
        let hello = &stream.hello;
        let known = truth.log.first().is_some_and(|(first, ..)| hello.revision + 1 >= *first);
        if hello.epoch == truth.epoch && known && hello.revision <= truth.revision {
            truth.send_change(&stream, hello.revision, 1).await;
        } else {
            truth.send_all(&stream, 1).await;
        }
        if stream.answer().await == (Answer::Ack { nonce: 1, revision: truth.revision }) {
            break;
        }
    }
    assert_eq!(keys(proxy), truth.keys);
    assert_eq!(proxy.snapshots.load().epoch, truth.epoch);
}

fn keys(proxy: &Proxy) -> BTreeSet<u8> {
    (1..30).filter(|key| proxy.knows(*key)).collect()
}

#[tokio::test]
async fn whatever_happens_the_proxy_converges_and_never_goes_back() {
    for seed in 0..12 {
        simulate(seed).await;
    }
}
