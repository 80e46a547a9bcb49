//! The master key: given by the operator, or made at the first start and kept in the data directory.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::Context;

use crate::{
    config::{Configuration, MasterKeySource},
    crypto::envelope::MasterKey,
};

const FILE: &str = "master.key";
/// A rotation's new key until the rotation is done, and the old one after it: backups need that one.
const NEXT_FILE: &str = "master.key.next";
const PREVIOUS_FILE: &str = "master.key.previous";

/// The key, made when there is none.
pub(crate) fn load(configuration: &Configuration) -> anyhow::Result<MasterKey> {
    if let Some(key) = existing(configuration)? {
        return Ok(key);
    }
    let path = configuration.data_dir.join(FILE);
    let key = MasterKey::generate()?;
    create(&path, &key).with_context(|| format!("{} cannot be written", path.display()))?;
    tracing::warn!(
        file = %path.display(),
        "a master key was generated: back it up, without it the secrets in the database are lost"
    );
    Ok(key)
}

/// The key; absent when none is given and none was made yet.
pub(crate) fn existing(configuration: &Configuration) -> anyhow::Result<Option<MasterKey>> {
    match &configuration.master_key {
        MasterKeySource::Given(key) => Ok(Some(key.clone())),
        MasterKeySource::DataDir => read(&configuration.data_dir.join(FILE)),
    }
}

/// The key that a rotation in the data directory goes to. It is on the disk before anything is sealed with it; when a
/// rotation was interrupted, it is the same one.
pub(crate) fn next(data_dir: &Path) -> anyhow::Result<MasterKey> {
    let path = data_dir.join(NEXT_FILE);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let key = MasterKey::generate()?;
    create(&path, &key).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(key)
}

/// The next key becomes the key, in one step: at no time is there none.
pub(crate) fn promote_next(data_dir: &Path) -> std::io::Result<()> {
    let (current, previous) = (data_dir.join(FILE), data_dir.join(PREVIOUS_FILE));
    match std::fs::remove_file(&previous) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => std::fs::hard_link(&current, &previous)?,
    }
    std::fs::rename(data_dir.join(NEXT_FILE), &current)?;
    std::fs::File::open(data_dir)?.sync_all()
}

/// A key file; absent when there is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<MasterKey>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = MasterKey::from_text(&text).with_context(|| format!("{} is damaged", path.display()))?;
            Ok(Some(key))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Never over an existing file, readable by nobody else, and on the disk before the first secret is sealed with it.
fn create(path: &Path, key: &MasterKey) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
