//! `rotate-token-key`: a new key for the tokens that stand for access keys. The service may run meanwhile.

use crate::{config::Configuration, serve};

pub(super) async fn run(configuration: &Configuration) -> anyhow::Result<()> {
    let app = serve::open(configuration).await?;
    let key_id = app.rotate_token_key().await?;
    tracing::info!(key.id = key_id, "tokens are signed with a new key within a minute");
    app.store().close().await;
    Ok(())
}
