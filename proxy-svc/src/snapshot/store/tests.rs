use std::os::unix::fs::PermissionsExt;

use super::*;

fn token(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn snapshot(revision: u64) -> StoredSnapshot {
    StoredSnapshot {
        epoch: "epoch".into(),
        revision,
        resources: vec![Bytes::from_static(b"sk-canary-in-a-resource"); 3],
        complete: true,
        written_by: "test".into(),
        written_at_unix_us: 7,
    }
}

fn store(folder: &Path) -> Store {
    Store::new(folder, &token("join-token")).unwrap()
}

#[test]
fn what_is_saved_is_loaded_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    assert_eq!(store(&data_dir).load().unwrap(), None);
    store(&data_dir).save(&snapshot(5)).unwrap();
    assert_eq!(store(&data_dir).load().unwrap(), Some(snapshot(5)));
}

#[test]
fn file_is_the_owners_alone_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(folder.path().join("snapshot.tmp"), "left by a crash").unwrap();
    store(folder.path()).save(&snapshot(5)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&path).unwrap();
    for secret in [&b"canary"[..], b"join-token"] {
        assert!(memchr::memmem::find(&bytes, secret).is_none());
    }
    assert!(!folder.path().join("snapshot.tmp").exists());
}

#[test]
fn two_files_of_the_same_snapshot_differ() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path());
    let mut saved = || {
        store.save(&snapshot(5)).unwrap();
        fs::read(folder.path().join(FILE)).unwrap()
    };
    assert_ne!(saved(), saved());
}

#[test]
fn another_join_token_starts_cold_and_sets_the_file_aside() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).save(&snapshot(5)).unwrap();
    let mut other = Store::new(folder.path(), &token("other-token")).unwrap();
    assert!(matches!(other.load(), Err(StoreError::Damaged)));
    assert_eq!(other.load().unwrap(), None);
    assert!(folder.path().join(DAMAGED).exists());
}

#[test]
fn every_corrupted_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    store(folder.path()).save(&snapshot(5)).unwrap();
    let good = fs::read(&path).unwrap();
    for position in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[position] ^= flip;
            fs::write(&path, &bad).unwrap();
            assert!(matches!(store(folder.path()).load(), Err(StoreError::Damaged)), "byte {position}");
            assert!(!path.exists(), "byte {position}");
        }
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    store(folder.path()).save(&snapshot(5)).unwrap();
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(store(folder.path()).load(), Err(StoreError::Damaged)), "length {length}");
    }
    fs::write(&path, [&good[..], b"\0"].concat()).unwrap();
    assert!(matches!(store(folder.path()).load(), Err(StoreError::Damaged)));
}

#[test]
fn an_older_snapshot_of_the_same_epoch_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = store(folder.path());
    writer.save(&snapshot(5)).unwrap();
    assert!(matches!(writer.save(&snapshot(4)), Err(StoreError::Older(5))));
    let mut restarted = store(folder.path());
    assert_eq!(restarted.load().unwrap().unwrap().revision, 5);
    assert!(matches!(restarted.save(&snapshot(4)), Err(StoreError::Older(5))));
    restarted.save(&StoredSnapshot { epoch: "restored".into(), ..snapshot(1) }).unwrap();
    assert_eq!(store(folder.path()).load().unwrap().unwrap().epoch, "restored");
}

#[test]
fn a_failed_save_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = store(folder.path());
    writer.save(&snapshot(5)).unwrap();
    // A folder in the place of the temporary file: it cannot be removed as a file.
    fs::create_dir(folder.path().join("snapshot.tmp")).unwrap();
    assert!(matches!(writer.save(&snapshot(6)), Err(StoreError::Io(_))));
    assert_eq!(store(folder.path()).load().unwrap().unwrap().revision, 5);
}

#[test]
fn an_unreadable_file_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(FILE)).unwrap();
    assert!(matches!(store(folder.path()).load(), Err(StoreError::Io(_))));
    assert!(folder.path().join(FILE).exists());
}
