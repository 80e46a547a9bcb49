//! What is slow, large, or the caller's own fault: no other key is asked, and none is blamed.

use serde_json::json;
use tollgate_tests::Dialect::{Anthropic, Gemini, OpenAi};

use super::{
    stage::play,
    table::{Comes, Fault},
};

#[tokio::test]
async fn an_answer_that_is_slow_or_large_is_as_good_as_any() -> anyhow::Result<()> {
    let late = || Fault::new("late", json!({"kind": "latency", "ms": 50}), Comes::Nothing);
    let slow = || Fault::new("slow", json!({"kind": "slow_drip", "gap_ms": 5}), Comes::Nothing);
    let large = || Fault::new("large", json!({"kind": "oversized", "bytes": 300_000}), Comes::Nothing);
    play(&[late(), slow(), large(), late().streamed(), slow().streamed(), large().streamed()]).await
}

#[tokio::test]
async fn the_callers_own_fault_is_told_once_and_blames_nobody() -> anyhow::Result<()> {
    let own = |kind: &str| Fault::new(kind, json!({"kind": kind}), Comes::Own { status: 400, translated: 400 });
    let status = |status: u16| {
        Fault::status(status, Comes::Own { status, translated: if status == 422 { 400 } else { status } })
    };
    play(&[
        own("context_window"),
        own("context_window").streamed(),
        own("content_policy").at(&[OpenAi, Anthropic]),
        Fault::new("blocked", json!({"kind": "content_policy"}), Comes::Blocked).at(&[Gemini]),
        Fault::new("blocked", json!({"kind": "content_policy"}), Comes::Blocked).at(&[Gemini]).streamed(),
        status(400),
        status(404),
        status(413),
        status(422),
    ])
    .await
}
