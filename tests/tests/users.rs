//! What becomes of a user's access keys with the user.

use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::Method;
use serde_json::json;
use tollgate_tests::{
    Call, Dialect, Trio,
    eventually::{START, eventually},
    rest::text,
};

/// How long a change may take to a proxy.
const WITHIN: Duration = Duration::from_secs(1);

/// Sends all calls until each is answered with this status; returns how long that took.
async fn all_answered(trio: &Trio, calls: &[Call], status: u16) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    eventually("all calls are answered so", START, async || {
        for call in calls {
            if trio.send(call).await?.status != status {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    Ok(begun.elapsed())
}

#[tokio::test]
async fn keys_and_tokens_of_a_disabled_user_are_refused_within_a_second_until_it_is_enabled_again() -> anyhow::Result<()>
{
    let (mut trio, application) = Trio::with_application().await?;
    let user = json!({"email": "out@example.test", "role": "member", "password": "a password of tests"});
    let user = trio.rest.create("users", &user).await?;
    let path = format!("/api/v1/users/{}", text(&user, "id")?);
    let key = json!({"service_id": application.service_id, "user_id": user["id"], "name": "key"});
    let (first, second) = (trio.rest.create("access-keys", &key).await?, trio.rest.create("access-keys", &key).await?);
    let token = trio.rest.create(&format!("access-keys/{}/tokens", text(&first, "id")?), &json!({})).await?;
    trio.in_force().await?;
    let credentials = [text(&first, "secret")?, text(&second, "secret")?, text(&token, "token")?];
    let calls: Vec<Call> = Dialect::ALL
        .iter()
        .zip(credentials)
        .map(|(dialect, credential)| Call::chat(*dialect, credential, dialect.model(), false))
        .collect();
    all_answered(&trio, &calls, 200).await?;
    for limits in [json!({}), json!({"rpm": 1_000})] {
        let change = json!({"status": "disabled", "limits": limits});
        trio.rest.expect(200, Method::PATCH, &path, Some(&change)).await?;
        let took = all_answered(&trio, &calls, 401).await?;
        ensure!(took < WITHIN, "refused after {took:?}");
        for (call, dialect) in calls.iter().zip(Dialect::ALL) {
            let answer = trio.send(call).await?;
            let message = dialect.error(&answer.json()?).map(|(_, message)| message);
            let expected = "The user whom the access key belongs to is disabled.";
            ensure!(message.as_deref() == Some(expected), "{dialect:?}: {}", answer.text());
            // Gemini writes it in capitals.
            let code = answer.text().to_lowercase().contains("revoked_api_key");
            ensure!(code, "{dialect:?}: {}", answer.text());
        }
        // Others' keys go on.
        ensure!(trio.send(&application.chat(Dialect::OpenAi, false)).await?.status == 200);

        trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"status": "active"}))).await?;
        let took = all_answered(&trio, &calls, 200).await?;
        ensure!(took < WITHIN, "served after {took:?}");
    }

    // A proxy that starts from what it has stored refuses them, too.
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"status": "disabled"}))).await?;
    all_answered(&trio, &calls, 401).await?;
    trio.in_force().await?;
    trio.kill_admin()?;
    trio.kill_proxy()?;
    trio.start_proxy().await?;
    for call in &calls {
        ensure!(trio.send(call).await?.status == 401);
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_a_deleted_user_are_refused() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let user = json!({"email": "gone@example.test", "role": "member", "password": "a password of tests"});
    let user = trio.rest.create("users", &user).await?;
    let path = format!("/api/v1/users/{}", text(&user, "id")?);
    let key = json!({"service_id": application.service_id, "user_id": user["id"], "name": "key"});
    let key = trio.rest.create("access-keys", &key).await?;
    trio.in_force().await?;
    let call = [Call::chat(Dialect::OpenAi, text(&key, "secret")?, Dialect::OpenAi.model(), false)];
    all_answered(&trio, &call, 200).await?;
    trio.rest.expect(409, Method::DELETE, &path, None).await?;
    trio.rest.expect(200, Method::PATCH, &path, Some(&json!({"status": "disabled"}))).await?;
    all_answered(&trio, &call, 401).await?;
    trio.revoke(text(&key, "id")?).await?;
    trio.rest.expect(204, Method::DELETE, &path, None).await?;
    trio.in_force().await?;
    all_answered(&trio, &call, 401).await.map(drop)
}
