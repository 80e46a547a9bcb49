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

pub(crate) fn load(configuration: &Configuration) -> anyhow::Result<MasterKey> {
    let path = match &configuration.master_key {
        MasterKeySource::Given(key) => return Ok(key.clone()),
        MasterKeySource::DataDir => configuration.data_dir.join(FILE),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => MasterKey::from_text(&text).with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = MasterKey::generate()?;
            create(&path, &key).with_context(|| format!("{} cannot be written", path.display()))?;
            tracing::warn!(
                file = %path.display(),
                "a master key was generated: back it up, without it the secrets in the database are lost"
            );
            Ok(key)
        }
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
