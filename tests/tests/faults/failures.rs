//! Providers that fail, are silent, or answer with what is no answer.

use serde_json::json;
use tollgate_tests::Dialect::{Anthropic, Gemini, OpenAi};

use super::{
    stage::play,
    table::{Comes, Fault, Told, Wait},
};

/// What a caller is told to wait when the provider did not say.
const SOON: Wait = Wait::Seconds(1);

fn failed() -> Comes {
    Comes::Failure { cause: "3 failures in a row, the last one: server error", told: Told::Unavailable }
}

fn overloaded() -> Comes {
    Comes::Failure { cause: "3 failures in a row, the last one: overloaded", told: Told::Overloaded(SOON) }
}

fn lost() -> Comes {
    Comes::Failure { cause: "3 failures in a row, the last one: the connection broke", told: Told::Unavailable }
}

fn timed_out() -> Comes {
    Comes::Failure { cause: "3 failures in a row, the last one: time-out", told: Told::TimedOut }
}

#[tokio::test]
async fn a_provider_that_fails_three_times_is_left_out() -> anyhow::Result<()> {
    play(&[
        Fault::status(500, failed()),
        Fault::status(500, failed()).streamed(),
        Fault::status(502, failed()),
        Fault::status(504, failed()),
        Fault::status(408, timed_out()),
        Fault::status(503, overloaded()),
        Fault::status(529, overloaded()),
    ])
    .await
}

#[tokio::test]
async fn a_connection_that_gives_nothing_counts_as_a_failure() -> anyhow::Result<()> {
    play(&[
        Fault::new("reset", json!({"kind": "reset"}), lost()).repeated(),
        Fault::new("close", json!({"kind": "close_before_headers"}), lost()).repeated(),
        Fault::new("cut", json!({"kind": "cut_mid_stream", "after_chunks": 1}), lost()),
        Fault::new("reset-within", json!({"kind": "reset", "after_chunks": 1}), lost()),
        Fault::new("silent", json!({"kind": "hang_before_headers"}), timed_out()).silent(),
        Fault::new("silent-within", json!({"kind": "hang_mid_stream", "after_chunks": 1}), timed_out())
            .silent()
            .at(&[Anthropic]),
    ])
    .await
}

#[tokio::test]
async fn a_200_that_is_no_answer_counts_as_a_failure() -> anyhow::Result<()> {
    // Where it is not translated, it is an answer without an end.
    let no_answer = Comes::Failure { cause: "3 failures in a row, the last one: ", told: Told::Unavailable };
    play(&[
        Fault::new("empty", json!({"kind": "empty_200"}), failed()),
        Fault::new("error", json!({"kind": "error_in_200"}), overloaded()).at(&[Anthropic, Gemini]),
        // This one says only that it failed.
        Fault::new("plain-error", json!({"kind": "error_in_200"}), failed()).at(&[OpenAi]),
        Fault::new("nonsense", json!({"kind": "malformed_sse"}), no_answer),
    ])
    .await
}
