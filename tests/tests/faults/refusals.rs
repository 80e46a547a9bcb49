//! Keys that the provider does not take, and accounts that have nothing left to pay with.

use serde_json::json;
use tollgate_tests::Dialect::{Anthropic, Gemini, OpenAi};

use super::{
    stage::play,
    table::{Comes, Fault, Shown, Told, Wait},
};

fn refused(reason: &'static str) -> Comes {
    let shown = Shown { state: "refused", reason, wait: Wait::Seconds(600) };
    Comes::Rest { shown, told: Told::KeysRefused }
}

fn spent() -> Comes {
    let shown = Shown { state: "spent", reason: "the account has no credit left", wait: Wait::Seconds(3600) };
    Comes::Rest { shown, told: Told::KeysRefused }
}

#[tokio::test]
async fn a_key_that_the_provider_refuses_is_left_out() -> anyhow::Result<()> {
    let bad_key = json!({"kind": "status", "status": 400, "body": {"error": {
        "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}});
    play(&[
        Fault::status(401, refused("the provider refused the key with 401")),
        Fault::status(401, refused("the provider refused the key with 401")).streamed(),
        Fault::status(403, refused("the provider refused the key with 403")),
        Fault::new("bad-key", bad_key, refused("the provider refused the key with 400")).at(&[Gemini]),
    ])
    .await
}

#[tokio::test]
async fn an_account_without_credit_is_left_alone() -> anyhow::Result<()> {
    let account = || json!({"kind": "account_spent"});
    let hard_limit = json!({"kind": "status", "status": 400, "body": {"error": {
        "code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached", "param": null,
        "type": "invalid_request_error"}}});
    play(&[
        Fault::new("account", account(), spent()).at(&[OpenAi, Gemini]),
        Fault::new("account", account(), spent()).at(&[OpenAi, Gemini]).streamed(),
        Fault::new("balance", account(), refused("the provider refused the key with 400")).at(&[Anthropic]),
        Fault::new("hard-limit", hard_limit, spent()).at(&[OpenAi]),
        Fault::status(402, refused("the provider refused the key with 402")),
    ])
    .await
}
