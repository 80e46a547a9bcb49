//! `trio`: starts the control plane, a proxy and the simulated provider, configures them, prints one line of JSON with
//! addresses and keys, and stops all three when its standard input closes.
//!
//! For test suites in other languages (`tests/sdk`): a suite that dies takes the pipe with it, so nothing is left over.

use std::io::Write;

use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};
use tollgate_tests::{Dialect, Trio, trio::Settings};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A suite counts what arrives at the provider, and takes longer than a key stays unprobed.
    let admin = vec![("TOLLGATE_ADMIN_PROBES__ENABLED", "false".to_owned())];
    let mut trio = Trio::start_with(Settings { admin, ..Settings::default() }).await?;
    let application = trio.application("application", 2).await?;
    let signed = json!({"security": {"require_signature": true}});
    let signed = trio.seed.application_with(&trio.rest, "signed", 1, &signed).await?;
    let directions = trio.seed.directions(&trio.rest).await?;
    // The control plane's own looks at the provider are over before a suite counts what arrives there.
    trio.all_listed().await?;
    trio.in_force().await?;
    trio.keep_quiet();
    let keys = |dialect| -> Vec<&str> { application.keys(dialect).iter().map(|key| key.secret.as_str()).collect() };
    let line = json!({
        "proxy": format!("http://{}", trio.addresses.proxy),
        "admin": format!("http://{}", trio.addresses.admin),
        "provider": trio.simulator.origin(),
        "access_key": application.secret,
        "directions_key": directions,
        "signed_key": signed.secret,
        "signed_key_id": signed.access_key_id,
        "access_token": trio.rest.access_token(),
        "upstream_keys": {
            "openai": keys(Dialect::OpenAi),
            "anthropic": keys(Dialect::Anthropic),
            "gemini": keys(Dialect::Gemini),
        },
    });
    writeln!(std::io::stdout(), "{line}")?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        closed = input_closed() => closed?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    drop(trio);
    // The runtime would wait for the read of the standard input to come back.
    std::process::exit(0)
}

async fn input_closed() -> anyhow::Result<()> {
    let mut ignored = [0; 64];
    while tokio::io::stdin().read(&mut ignored).await? > 0 {}
    Ok(())
}
