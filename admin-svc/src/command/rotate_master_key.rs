//! `rotate-master-key`: puts the database's secrets under another master key. No `admin-svc` may run meanwhile.

use std::path::PathBuf;

use anyhow::Context;

use crate::{
    app::rotate_master_key,
    config::{Configuration, MasterKeySource},
    serve::master_key,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// File with the new key; without it one is generated, when the present one was
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

pub(super) async fn run(configuration: &Configuration, arguments: Arguments) -> anyhow::Result<()> {
    let from = master_key::existing(configuration)?.context("there is no master key yet")?;
    let generated = matches!(configuration.master_key, MasterKeySource::DataDir);
    let (to, replaces_file) = match arguments.new_key_file {
        Some(path) => {
            let key = master_key::read(&path)?.with_context(|| format!("{} is not there", path.display()))?;
            (key, false)
        }
        None if generated => (master_key::next(&configuration.data_dir)?, true),
        None => {
            anyhow::bail!("the master key is configured: give the new one with --new-key-file, then configure that")
        }
    };
    let rotation = rotate_master_key(configuration.database_url.expose(), from, to).await?;
    tracing::info!(
        settings = rotation.settings,
        upstream_keys = rotation.upstream_keys,
        "secrets are under the new key"
    );
    if replaces_file {
        master_key::promote_next(&configuration.data_dir).context("the new key cannot take the old one's place")?;
        tracing::warn!("back the new master key up; the old one is kept beside it, for older backups of the database");
    } else {
        tracing::warn!("configure the new master key before the service is started again");
    }
    Ok(())
}
