//! A contender must give the answers that the provider gives; only then is it timed.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::client::{Answer, Client, request};
use super::contender::Contender;

/// Compares whole answers, streams and a large request with what the provider says directly.
pub(super) async fn answers(contender: &Contender, direct: &Contender) -> Result<()> {
    let question = |model: &str, stream: bool, content: String| {
        json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}).to_string()
    };
    let usage = json!({
        "model": "gpt-4o-sim-unicode", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "counted"}],
    });
    for body in [
        question("gpt-4o-sim-bytes-90", false, "plain".to_owned()),
        question("gpt-4o-sim-chunks-20-gap-1", true, "streamed".to_owned()),
        usage.to_string(),
        question("gpt-4o-sim-bytes-90", false, "x".repeat(1 << 20)),
        question("gpt-4o-sim-unknown", false, "refused".to_owned()),
    ] {
        let [mine, expected] = [ask(contender, &body).await?, ask(direct, &body).await?];
        let kind = |answer: &Answer| answer.content_type.split(';').next().unwrap_or_default().trim().to_owned();
        if mine.status != expected.status || kind(&mine) != kind(&expected) {
            bail!("{} {} instead of {} {}", mine.status, kind(&mine), expected.status, kind(&expected));
        }
        let (mine, expected) = (said(&mine.body), said(&expected.body));
        if mine != expected {
            bail!("the answer differs:\n{mine:?}\ninstead of\n{expected:?}");
        }
    }
    Ok(())
}

async fn ask(contender: &Contender, body: &str) -> Result<Answer> {
    let request = request("POST", "/v1/chat/completions", Some(&contender.credential), body.as_bytes());
    Client::connect(contender.address).await?.exchange(&request, |_, _| ()).await
}

/// Every JSON value in a body, without what differs between two equal answers.
fn said(body: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<&str> = events.collect();
    let parts = if events.is_empty() { vec![&*text] } else { events };
    parts.into_iter().map(|part| without_chance(serde_json::from_str(part).unwrap_or_else(|_| json!(part)))).collect()
}

fn without_chance(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        for chance in ["id", "created"] {
            fields.remove(chance);
        }
        // A gateway that asks for usage itself leaves this trace.
        if fields.get("usage").is_some_and(Value::is_null) {
            fields.remove("usage");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chance_is_forgiven() {
        let one = said(b"data: {\"id\":\"a\",\"created\":1,\"x\":1,\"usage\":null}\n\ndata: [DONE]\n\n");
        assert_eq!(one, said(b"data: {\"id\":\"b\",\"created\":2,\"x\":1}\n\ndata: [DONE]\n\n"));
        assert_ne!(one, said(b"data: {\"id\":\"b\",\"created\":2,\"x\":1}\n\n"));
        assert_ne!(said(b"{\"x\":1}"), said(b"{\"x\":2}"));
    }
}
