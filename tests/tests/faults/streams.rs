//! Streams that go wrong: before the model has said something another key takes over, afterwards the caller is told.

use serde_json::{Value, json};
use tollgate_tests::Dialect::{Anthropic, Gemini, OpenAi};

use super::{
    stage::play,
    table::{Comes, Fault, Told, Wait},
};

fn failure(cause: &'static str, told: Told) -> Comes {
    Comes::Failure { cause, told }
}

const SERVER: &str = "3 failures in a row, the last one: server error";
const OVERLOADED: &str = "3 failures in a row, the last one: overloaded";
const LOST: &str = "3 failures in a row, the last one: the connection broke";
const SILENT: &str = "3 failures in a row, the last one: time-out";

fn after(kind: &str, chunks: u64) -> Value {
    json!({"kind": kind, "after_chunks": chunks})
}

#[tokio::test]
async fn until_the_model_has_said_something_another_key_takes_over() -> anyhow::Result<()> {
    let overloaded = || failure(OVERLOADED, Told::Overloaded(Wait::Seconds(1)));
    let failed = || failure(SERVER, Told::Unavailable);
    // Where it is not translated, it is an answer without an end.
    let no_answer = failure("3 failures in a row, the last one: ", Told::Unavailable);
    let lost = || failure(LOST, Told::Unavailable);
    let silent = || failure(SILENT, Told::TimedOut);
    let faults = [
        Fault::new("empty", json!({"kind": "empty_200"}), failed()),
        // OpenAI's says only that it failed.
        Fault::new("error", json!({"kind": "error_in_200"}), overloaded()).at(&[Anthropic, Gemini]),
        Fault::new("plain-error", json!({"kind": "error_in_200"}), failed()).at(&[OpenAi]),
        Fault::new("error-first", after("error_mid_stream", 1), overloaded()).at(&[Anthropic]),
        Fault::new("plain-error-first", after("error_mid_stream", 1), failed()).at(&[OpenAi]),
        Fault::new("nonsense", json!({"kind": "malformed_sse"}), no_answer).at(&[OpenAi, Anthropic]),
        Fault::new("cut-first", after("cut_mid_stream", 1), lost()).at(&[OpenAi, Anthropic]),
        Fault::new("reset-first", after("reset", 1), lost()).at(&[OpenAi, Anthropic]),
        Fault::new("silent-first", after("hang_mid_stream", 1), silent()).silent().at(&[OpenAi, Anthropic]),
        // Gemini's first event says something already.
        Fault::new("cut-at-once", after("cut_mid_stream", 0), lost()).at(&[Gemini]),
        Fault::new("reset-at-once", after("reset", 0), lost()).at(&[Gemini]),
        Fault::new("silent-at-once", after("hang_mid_stream", 0), silent()).silent().at(&[Gemini]),
    ];
    play(&faults.map(Fault::streamed)).await
}

#[tokio::test]
async fn what_has_begun_ends_with_an_error_in_the_callers_protocol() -> anyhow::Result<()> {
    let faults = [
        Fault::new("error-within", after("error_mid_stream", 5), Comes::Broken { cause: OVERLOADED })
            .at(&[Anthropic, Gemini]),
        Fault::new("plain-error-within", after("error_mid_stream", 5), Comes::Broken { cause: SERVER }).at(&[OpenAi]),
        // Where bytes are left alone, what is not of the protocol passes on.
        Fault::new("nonsense-within", json!({"kind": "malformed_sse"}), Comes::Broken { cause: SERVER })
            .at(&[Gemini])
            .asked_by(&[OpenAi, Anthropic]),
        Fault::new("cut-within", after("cut_mid_stream", 5), Comes::Broken { cause: LOST }),
        Fault::new("reset-within", after("reset", 5), Comes::Broken { cause: LOST }),
        Fault::new("silent-within", after("hang_mid_stream", 5), Comes::Broken { cause: SILENT }).silent(),
    ];
    play(&faults.map(Fault::streamed)).await
}
