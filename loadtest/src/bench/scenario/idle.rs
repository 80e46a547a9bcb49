//! Memory of connections that have served a request and wait for the next.

use std::time::Duration;

use anyhow::{Result, bail};

use super::super::client::{Client, request};
use super::super::contender::Contender;
use super::super::settings::Settings;
use super::super::statistics::number;
use super::{Figures, resident_mb};

const BODY: &str = r#"{"model":"gpt-4o-sim-bytes-90","messages":[{"role":"user","content":"Wait."}]}"#;
const WARM_UP: usize = 64;

pub(super) async fn measure(contender: &mut Contender, settings: &Settings) -> Result<Option<Figures>> {
    // A fresh process: one that was under load has memory to spare, which would hide the growth.
    if contender.restart().await?.is_none() {
        return Ok(None);
    }
    let request = request("POST", "/v1/chat/completions", Some(&contender.credential), BODY.as_bytes());
    let mut held = Vec::with_capacity(settings.idle_connections + WARM_UP);
    let mut before = None;
    for index in 0..settings.idle_connections + WARM_UP {
        if index == WARM_UP {
            before = contender.resident_bytes()?;
        }
        let mut client = Client::connect(contender.address).await?;
        let answer = client.exchange(&request, |_, _| ()).await?;
        if answer.status != 200 {
            bail!("connection {index}: status {}", answer.status);
        }
        held.push(client);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let Some((before, after)) = before.zip(contender.resident_bytes()?) else { return Ok(None) };
    let each = (number(after) - number(before)) / 1024.0 / number(settings.idle_connections as u64);
    let mut figures = Figures { resident_mb: resident_mb(contender)?, ..Figures::default() };
    figures.others.insert("KB a connection", each);
    Ok(Some(figures))
}
