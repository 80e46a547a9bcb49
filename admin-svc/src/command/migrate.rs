//! `migrate`: brings the database's schema up to date.

use crate::{config::Configuration, store::Store};

pub(super) async fn run(configuration: &Configuration) -> anyhow::Result<()> {
    let store = Store::connect(configuration.database_url.expose()).await?;
    store.close().await;
    tracing::info!("the database's schema is up to date");
    Ok(())
}
