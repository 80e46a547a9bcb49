use std::time::{Duration, Instant};

use super::*;
use crate::snapshot::fixture::*;

fn frame_of(epoch: &str, revision: u64, resources: Vec<proto::Resource>) -> SnapshotFrame {
    let plain = proto::Snapshot { resources }.encode_to_vec();
    let sha256 = Bytes::copy_from_slice(digest(&SHA256, &plain).as_ref());
    SnapshotFrame { epoch: epoch.into(), revision, sha256, frame: frame::pack(&plain).unwrap() }
}

fn delta_of(epoch: &str, from: u64, to: u64, upserts: Vec<proto::Resource>) -> proto::Delta {
    proto::Delta { epoch: epoch.into(), from, to, nonce: 0, upserts, deletes: vec![] }
}

fn applier() -> (Arc<Snapshots>, Applier) {
    let snapshots = Arc::new(Snapshots::new());
    (Arc::clone(&snapshots), Applier::new(snapshots))
}

#[test]
fn a_snapshot_and_what_follows_come_in_force() {
    let (snapshots, mut applier) = applier();
    assert!(!snapshots.is_ready());
    applier.snapshot(frame_of("e", 5, world())).unwrap();
    assert!(snapshots.is_ready());
    applier.delta(delta_of("e", 5, 7, vec![access_key(2, 1, |_| ())])).unwrap();
    assert_eq!(applier.held(), ("e", 7));
    assert_eq!(snapshots.load().revision, 7);
    assert!(snapshots.load().access_key(&mac(2)).is_some());
}

#[test]
fn changes_that_do_not_follow_are_refused_and_change_nothing() {
    let (snapshots, mut applier) = applier();
    assert_eq!(applier.delta(delta_of("e", 0, 1, vec![])), Err(Refusal::Gap));
    assert_eq!(applier.delta(delta_of("", 0, 1, vec![])), Err(Refusal::Gap));
    applier.snapshot(frame_of("e", 5, world())).unwrap();
    for delta in [("e", 4, 6), ("e", 6, 7), ("other", 5, 6), ("e", 5, 4)] {
        let (epoch, from, to) = delta;
        assert_eq!(applier.delta(delta_of(epoch, from, to, vec![])), Err(Refusal::Gap), "{delta:?}");
    }
    assert_eq!(snapshots.load().revision, 5);
}

#[test]
fn an_older_snapshot_is_refused_unless_it_is_of_another_epoch() {
    let (snapshots, mut applier) = applier();
    applier.snapshot(frame_of("e", 5, world())).unwrap();
    assert_eq!(applier.snapshot(frame_of("e", 4, vec![])), Err(Refusal::Older { offered: 4, held: 5 }));
    assert!(snapshots.load().access_key(&mac(1)).is_some());
    applier.snapshot(frame_of("e", 5, world())).unwrap();
    applier.snapshot(frame_of("restored", 1, vec![])).unwrap();
    assert_eq!((snapshots.load().epoch.as_str(), snapshots.load().revision), ("restored", 1));
}

#[test]
fn a_snapshot_that_is_not_what_it_says_is_refused() {
    let (snapshots, mut applier) = applier();
    let good = || frame_of("e", 5, world());
    assert_eq!(applier.snapshot(SnapshotFrame { sha256: Bytes::new(), ..good() }), Err(Refusal::Hash));
    assert_eq!(applier.snapshot(SnapshotFrame { epoch: String::new(), ..good() }), Err(Refusal::NoEpoch));
    let garbage = SnapshotFrame { frame: b"garbage".to_vec(), ..good() };
    assert!(matches!(applier.snapshot(garbage), Err(Refusal::Frame(_))));
    let plain = b"\xff\xff";
    let sha256 = Bytes::copy_from_slice(digest(&SHA256, plain).as_ref());
    let undecodable = SnapshotFrame { sha256, frame: frame::pack(plain).unwrap(), ..good() };
    assert_eq!(applier.snapshot(undecodable), Err(Refusal::Encoding));
    assert!(!snapshots.is_ready());
}

#[test]
fn what_is_stored_serves_after_a_restart() {
    let (_, mut before) = applier();
    before.snapshot(frame_of("e", 5, world())).unwrap();
    let stored = before.to_store(&Clock::held_at(9)).unwrap();
    let (snapshots, mut after) = applier();
    after.restore(stored);
    assert!(snapshots.load().access_key(&mac(1)).is_some());
    assert_eq!(after.held(), ("e", 5));
    after.delta(delta_of("e", 5, 6, vec![])).unwrap();
}

#[test]
fn a_stored_snapshot_with_something_missing_serves_but_is_asked_for_anew() {
    let (_, mut before) = applier();
    before.snapshot(frame_of("e", 5, world())).unwrap();
    before.delta(delta_of("e", 5, 6, vec![provider(1, |provider| provider.kind = 0)])).unwrap();
    let incomplete = before.to_store(&Clock::system()).unwrap();
    let other_software = StoredSnapshot { written_by: "0.0.1".into(), complete: true, ..incomplete.clone() };
    for stored in [incomplete, other_software] {
        let (snapshots, mut after) = applier();
        after.restore(stored);
        assert_eq!(snapshots.load().revision, 6);
        assert_eq!(after.held(), ("", 0));
        assert!(matches!(after.snapshot(frame_of("e", 5, world())), Err(Refusal::Older { .. })));
        after.snapshot(frame_of("e", 6, world())).unwrap();
        assert_eq!(after.held(), ("e", 6));
    }
}

#[test]
fn nothing_is_stored_before_something_was_in_force() {
    assert!(applier().1.to_store(&Clock::system()).is_none());
}

#[test]
fn a_replaced_snapshot_is_freed_here_once_nobody_reads_it() {
    let (snapshots, mut applier) = applier();
    applier.snapshot(frame_of("e", 5, world())).unwrap();
    let read = snapshots.load_full();
    applier.delta(delta_of("e", 5, 6, vec![])).unwrap();
    assert_eq!(Arc::strong_count(&read), 2, "a reader and the list of the retired");
    applier.drop_retired();
    assert!(applier.has_retired());
    let weak = Arc::downgrade(&read);
    drop(read);
    applier.drop_retired();
    assert!(!applier.has_retired());
    assert!(weak.upgrade().is_none());
}

/// The figure that is promised is for the optimised program; this one is far slower and must keep to it all the same.
#[test]
fn a_change_among_100_000_access_keys_is_in_force_within_a_second() {
    let (snapshots, mut applier) = applier();
    let mut resources = world();
    let many = |number: u32| {
        access_key(1, 1, |key| {
            key.id = uuid::Uuid::from_u128(u128::from(number) + 1_000).to_string();
            key.mac = digest(&SHA256, &number.to_be_bytes()).as_ref().to_vec();
        })
    };
    resources.extend((0..100_000).map(many));
    applier.snapshot(frame_of("e", 1, resources)).unwrap();
    // The best of three, because the machine may be busy with something else.
    let fastest = |changes: [proto::Resource; 3], applier: &mut Applier| {
        let times = changes.map(|change| {
            let revision = applier.held().1;
            let started = Instant::now();
            applier.delta(delta_of("e", revision, revision + 1, vec![change])).unwrap();
            started.elapsed()
        });
        times.into_iter().min().unwrap()
    };
    let one_key = fastest([2, 3, 4].map(|number| access_key(number, 1, |_| ())), &mut applier);
    let every_key = fastest([3, 4, 5].map(|weight| upstream_key(1, 1, |key| key.weight = weight)), &mut applier);
    assert!(one_key < Duration::from_secs(1) && every_key < Duration::from_secs(1), "{one_key:?} {every_key:?}");
    let wanted: [u8; 32] = digest(&SHA256, &99_999_u32.to_be_bytes()).as_ref().try_into().unwrap();
    let snapshot = snapshots.load();
    assert_eq!(snapshot.access_key(&wanted).unwrap().key.service.routes[0].targets[0].pool.keys[0].weight, 5);
}
