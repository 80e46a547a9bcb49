//! Rate limits, days' quotas, and providers that ask to be left alone.

use serde_json::json;
use tollgate_tests::Dialect::{Anthropic, Gemini, OpenAi};

use super::{
    stage::play,
    table::{Comes, Fault, Shown, Told, Wait},
};

/// How long providers ask to wait.
const SECONDS: u64 = 40;
const ASKED: Wait = Wait::Seconds(SECONDS);

fn limited(says: &str) -> Fault {
    let shown = Shown { state: "cooling", reason: "rate limited, the provider asks to wait ", wait: ASKED };
    let fault = json!({"kind": "rate_limited", "says": says, "seconds": SECONDS});
    Fault::new(says, fault, Comes::Rest { shown, told: Told::RateLimited(ASKED) })
}

#[tokio::test]
async fn a_limited_key_rests_as_its_provider_says() -> anyhow::Result<()> {
    let guess = Wait::Seconds(5);
    let shown = Shown { state: "cooling", reason: "rate limited, tried again after 5 s", wait: guess };
    let untold = Comes::Rest { shown, told: Told::RateLimited(guess) };
    play(&[
        limited("retry_after"),
        limited("retry_after_ms").at(&[OpenAi]),
        limited("retry_after_date").at(&[OpenAi]),
        limited("reset_tokens").at(&[OpenAi]),
        limited("reset_input_tokens").at(&[Anthropic]),
        limited("retry_info").at(&[Gemini]),
        limited("retry_after").streamed(),
        Fault::new("nothing", json!({"kind": "rate_limited", "says": "nothing", "seconds": 0}), untold),
    ])
    .await
}

/// Beside a day's quota a provider tells when the next minute begins, which is not when it serves again.
#[tokio::test]
async fn a_days_quota_rests_until_the_day_is_over() -> anyhow::Result<()> {
    let shown = Shown { state: "cooling", reason: "the day's quota is used up", wait: Wait::Midnight };
    let day = Comes::Rest { shown, told: Told::RateLimited(Wait::Midnight) };
    let fault = json!({"kind": "rate_limited", "says": "day", "seconds": 1});
    play(&[Fault::new("day", fault, day).at(&[Gemini]).believed()]).await
}

#[tokio::test]
async fn a_good_answer_after_which_nothing_is_left_is_the_last() -> anyhow::Result<()> {
    let shown = Shown { state: "cooling", reason: "nothing is left of the provider's rate limit", wait: ASKED };
    let fault = json!({"kind": "nothing_left", "seconds": SECONDS});
    let last = Comes::LastAnswer { shown };
    play(&[
        Fault::new("left", fault.clone(), last.clone()).at(&[OpenAi, Anthropic]),
        Fault::new("left", fault.clone(), last).at(&[OpenAi, Anthropic]).streamed(),
        // Gemini has no such headers.
        Fault::new("untold", fault, Comes::Nothing).at(&[Gemini]),
    ])
    .await
}

#[tokio::test]
async fn an_overloaded_provider_is_left_alone_as_it_asks() -> anyhow::Result<()> {
    let asks = |status: u16, seconds: &str, wait: Wait| {
        let shown = Shown { state: "cooling", reason: "overloaded, the provider asks to wait ", wait };
        let fault = json!({"kind": "status", "status": status, "retry_after": seconds});
        Fault::new(&format!("{status}-{seconds}"), fault, Comes::Rest { shown, told: Told::Overloaded(wait) })
    };
    let mut endless = asks(503, "3600", Wait::Seconds(300));
    // The caller is told what the provider said.
    if let Comes::Rest { told, .. } = &mut endless.comes {
        *told = Told::Overloaded(Wait::Seconds(3600));
    }
    play(&[asks(503, "40", ASKED), asks(529, "40", ASKED), asks(503, "40", ASKED).streamed(), endless]).await
}
