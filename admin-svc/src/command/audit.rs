//! `audit verify`: whether the audit log's chain still holds.

use crate::{config::Configuration, serve};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Check every record's hash; exit code 1 when one does not hold
    Verify,
}

pub(super) async fn run(configuration: &Configuration, command: Command) -> anyhow::Result<()> {
    let Command::Verify = command;
    let app = serve::open(configuration).await?;
    let verification = app.verify_audit_chain().await?;
    app.store().close().await;
    match verification.broken_at {
        None => {
            tracing::info!(records = verification.verified, "the audit log holds");
            Ok(())
        }
        Some(sequence) => {
            anyhow::bail!("the audit log does not hold: record {sequence} was changed or one before it removed")
        }
    }
}
