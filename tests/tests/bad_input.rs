//! Bad input gets a typed error in the caller's protocol with the right status, over HTTP/1.1 and HTTP/2, and never a
//! 500, a hang or a panic.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, bail, ensure};
use http::{Request, Version};
use serde_json::{Value, json};
use tollgate_tests::{
    Application, Dialect, Trio,
    eventually::{START, eventually},
    h2_client,
    raw::{self, Connection, request},
    rest::text,
};

const BODY_LIMIT: usize = 32 << 20;

/// A request that is wrong in one respect, and the statuses that are right for it.
struct Case {
    name: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    statuses: &'static [u16],
}

impl Case {
    fn new(name: &'static str, application: &Application, dialect: Dialect, statuses: &'static [u16]) -> Self {
        let call = application.chat(dialect, false);
        Self { name, path: call.path, headers: call.headers, body: call.body.to_vec(), statuses }
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(candidate, _)| candidate != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(candidate, _)| candidate != name);
        self
    }

    async fn over(&self, version: Version, trio: &Trio) -> anyhow::Result<(u16, Vec<u8>)> {
        if version == Version::HTTP_2 {
            let uri = format!("http://gateway.test{}", self.path);
            let mut request = Request::builder().method("POST").uri(uri).version(version);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let answer = h2_client::exchange(trio.addresses.proxy, request.body(self.body.clone().into())?).await?;
            return Ok((answer.status().as_u16(), answer.into_body().to_vec()));
        }
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = raw::exchange(trio.addresses.proxy, &request("POST", &self.path, &headers, &self.body)).await?;
        ensure!(answer.complete, "the answer was cut");
        Ok((answer.head.status, answer.body))
    }
}

fn cases(application: &Application, dialect: Dialect) -> anyhow::Result<Vec<Case>> {
    let case = |name, statuses| Case::new(name, application, dialect, statuses);
    let (credential, _) = dialect.credential("");
    let unknown = "tg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut invalid_utf8 = dialect.chat_body(dialect.model(), false).to_string().into_bytes();
    let middle = invalid_utf8.windows(3).position(|window| window == b"How").context("the question has changed")?;
    invalid_utf8.splice(middle..middle, [0xff, 0xfe]);
    let unknown_model = dialect.chat_body("no-such-model", false).to_string();
    let mut cases = vec![
        case("no body", &[400]).body(""),
        case("half a body", &[400]).body("{\"model\": \"gpt"),
        case("no JSON", &[400]).body("hello"),
        case("JSON and more", &[400]).body("{} {}"),
        case("an array", &[400]).body("[]"),
        case("too deep", &[400]).body(format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000))),
        case("invalid UTF-8", &[400]).body(invalid_utf8),
        case("unknown model", &[404]).path(dialect.chat_path("no-such-model", false)).body(unknown_model),
        case("no key", &[401]).without(credential),
        case("empty key", &[401]).header(credential, ""),
        case("unknown key", &[401]).header(credential, dialect.credential(unknown).1),
        case("key with odd bytes", &[401]).header(credential, dialect.credential("tg_\u{e9}\u{2028}").1),
        case("basic authentication", &[401]).without(credential).header("authorization", "Basic dTpw"),
        case("wrong content type", &[400, 415]).header("content-type", "text/plain"),
        case("unknown path", &[404]).path("/v1/no/such/path"),
        case("no path", &[404]).path("/"),
        case("dots in the path", &[400, 404]).path("/v1/../v1/chat/completions"),
        case("escapes in the path", &[400, 404]).path("/v1/chat%2fcompletions"),
    ];
    if dialect != Dialect::Gemini {
        cases.push(case("no model", &[400]).body("{\"messages\": []}"));
        cases.push(case("model is a number", &[400]).body("{\"model\": 5}"));
        cases.push(case("model is empty", &[400, 404]).body("{\"model\": \"\"}"));
    }
    Ok(cases)
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_callers_protocol() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let before = trio.simulator.newest().await?;
    let mut wrong = Vec::new();
    for dialect in Dialect::ALL {
        for case in cases(&application, dialect)? {
            for version in [Version::HTTP_11, Version::HTTP_2] {
                if let Err(error) = refused(&case, version, dialect, &trio).await {
                    wrong.push(format!("{dialect:?}, {version:?}, {}: {error:#}", case.name));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(trio.simulator.requests(before).await?.is_empty(), "a bad request went upstream");
    still_serves(&mut trio, &application).await
}

async fn refused(case: &Case, version: Version, dialect: Dialect, trio: &Trio) -> anyhow::Result<()> {
    let (status, body) = case.over(version, trio).await?;
    let shown = String::from_utf8_lossy(&body).into_owned();
    ensure!(case.statuses.contains(&status), "status {status}: {shown}");
    let body: Value = serde_json::from_slice(&body).with_context(|| shown.clone())?;
    // A path that nobody has is answered in the protocol that it looks like.
    let shapes = if case.name.contains("path") { &Dialect::ALL[..] } else { &[dialect][..] };
    let message = shapes.iter().find_map(|shape| shape.error(&body)).with_context(|| format!("the shape: {shown}"))?.1;
    ensure!(!message.is_empty(), "an error without a word");
    Ok(())
}

async fn still_serves(trio: &mut Trio, application: &Application) -> anyhow::Result<()> {
    trio.proxy()?.ensure_running()?;
    for dialect in Dialect::ALL {
        let answer = trio.send(&application.chat(dialect, false)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {} {}", answer.status, answer.text());
    }
    ensure!(!trio.log("proxy-svc").contains("panicked"), "the proxy panicked");
    Ok(())
}

#[tokio::test]
async fn expired_and_revoked_keys_are_refused() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let expires_at = in_future(Duration::from_secs(3))?;
    let expiring = json!({"service_id": application.service_id, "name": "expiring", "expires_at": expires_at});
    let expiring = trio.rest.create("access-keys", &expiring).await?;
    let revoked = json!({"service_id": application.service_id, "name": "revoked"});
    let revoked = trio.rest.create("access-keys", &revoked).await?;
    trio.in_force().await?;
    trio.revoke(text(&revoked, "id")?).await?;
    for (name, key) in [("expired", &expiring), ("revoked", &revoked)] {
        let mut holder = application.clone();
        text(key, "secret")?.clone_into(&mut holder.secret);
        for dialect in Dialect::ALL {
            eventually(&format!("the {name} key is refused"), START, async || {
                let answer = trio.send(&holder.chat(dialect, false)).await?;
                if answer.status == 200 {
                    return Ok(None);
                }
                ensure!(answer.status == 401, "{}", answer.status);
                Ok(Some(dialect.error(&answer.json()?).context("not its shape")?))
            })
            .await?;
        }
    }
    Ok(())
}

/// A time from now on as the REST API takes it.
fn in_future(from_now: Duration) -> anyhow::Result<String> {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("{} seconds", from_now.as_secs()), "+%Y-%m-%dT%H:%M:%SZ"])
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        let text = "a".repeat(BODY_LIMIT);
        let body = dialect.chat_body(dialect.model(), false).to_string().replace("Norway", &text);
        let case = Case::new("too large", &application, dialect, &[413]).body(body);
        refused(&case, Version::HTTP_11, dialect, &trio).await.with_context(|| format!("{dialect:?}, declared"))?;

        // Chunked, so that the size is not known beforehand.
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        let mut head = format!("POST {} HTTP/1.1\r\nhost: gateway.test\r\n", case.path);
        for (name, value) in &case.headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head.push_str("transfer-encoding: chunked\r\n\r\n");
        connection.send(head.as_bytes()).await?;
        for chunk in case.body.chunks(1 << 20) {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            if connection.send(&framed).await.is_err() {
                break;
            }
        }
        let answer = connection.answer().await.with_context(|| format!("{dialect:?}, chunked"))?;
        assert_eq!(answer.head.status, 413, "{dialect:?}, chunked");
        dialect.error(&serde_json::from_slice(&answer.body)?).context("not its shape")?;
    }
    ensure!(trio.simulator.requests(0).await?.is_empty(), "a part of it went upstream");
    still_serves(&mut trio, &application).await
}

#[tokio::test]
async fn malformed_http_is_refused_or_the_connection_closed() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let before = trio.simulator.newest().await?;
    let key = format!("authorization: Bearer {}\r\n", application.secret);
    let body = Dialect::OpenAi.chat_body("gpt-4.1", false).to_string();
    let start = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{key}content-type: application/json\r\n");
    let flood = format!("x-flood: {}\r\n", "f".repeat(100)).repeat(2_000);
    let rest = format!("content-length: {}\r\n\r\n{body}", body.len());
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let smuggled = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n";
    for (name, bytes) in [
        ("a flood of headers", format!("{start}{flood}content-length: {}\r\n\r\n{body}", body.len())),
        ("one huge header", format!("{start}x-huge: {}\r\ncontent-length: 2\r\n\r\n{{}}", "h".repeat(1 << 20))),
        ("a negative length", format!("{start}content-length: -1\r\n\r\n{body}")),
        ("two lengths", format!("{start}content-length: 5\r\ncontent-length: 6\r\n\r\n{body}")),
        (
            "length and chunks",
            format!("{start}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        ),
        ("a chunk of no size", format!("{start}transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n")),
        ("an unknown encoding", format!("{start}transfer-encoding: gzip\r\n\r\n{body}")),
        ("no HTTP", "hello, is anybody there?\r\n\r\n".to_owned()),
        ("a line break in a name", format!("{start}bad\nname: x\r\ncontent-length: 2\r\n\r\n{{}}")),
        ("no host", start.replace("host: a\r\n", "") + &rest),
        ("two hosts", start.replace("host: a\r\n", "host: a\r\nhost: b\r\n") + &rest),
        ("a host with a blank", start.replace("host: a\r\n", "host: a b\r\n") + &rest),
        ("a host with a path", start.replace("host: a\r\n", "host: a/b\r\n") + &rest),
        ("chunks in chunks", format!("{start}transfer-encoding: chunked, chunked\r\n\r\n{chunks}")),
    ] {
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        // It may be closed while this is being sent.
        let _ = connection.send(bytes.as_bytes()).await;
        match tokio::time::timeout(Duration::from_secs(30), connection.answer()).await {
            Err(_) => bail!("{name}: neither an answer nor the end"),
            Ok(Err(_)) => {}
            Ok(Ok(answer)) => {
                let shown = String::from_utf8_lossy(&answer.body);
                ensure!((400..500).contains(&answer.head.status), "{name}: {} {shown}", answer.head.status);
            }
        }
    }
    ensure!(trio.simulator.requests(before).await?.is_empty(), "malformed HTTP went upstream");
    still_serves(&mut trio, &application).await
}

#[tokio::test]
async fn a_flood_of_headers_over_http2_is_refused() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    let call = application.chat(Dialect::OpenAi, false);
    for (count, bytes) in [(5_000, 10), (20, 60_000)] {
        let mut request = Request::builder().method("POST").uri(format!("http://gateway.test{}", call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        for number in 0..count {
            request = request.header(format!("x-flood-{number}"), "f".repeat(bytes));
        }
        // A reset stream or a closed connection is as good as an answer.
        if let Ok(answer) = h2_client::exchange(trio.addresses.proxy, request.body(call.body.clone())?).await {
            ensure!(answer.status().is_client_error(), "{count} headers of {bytes} bytes: {}", answer.status());
        }
    }
    ensure!(trio.simulator.requests(0).await?.is_empty(), "it went upstream");
    still_serves(&mut trio, &application).await
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_no_provider() -> anyhow::Result<()> {
    let (mut trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        let case = Case::new("broken off", &application, dialect, &[400]);
        let headers: Vec<(&str, &str)> =
            case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let whole = request("POST", &case.path, &headers, &case.body);
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        connection.send(&whole[..whole.len() - 10]).await?;
        connection.finish_sending().await?;
        if let Ok(answer) = connection.answer().await {
            ensure!((400..500).contains(&answer.head.status), "{dialect:?}: {}", answer.head.status);
        }
    }
    ensure!(trio.simulator.requests(0).await?.is_empty(), "half a request went upstream");
    still_serves(&mut trio, &application).await
}

#[tokio::test]
async fn good_requests_are_answered_over_http2() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let call = application.chat(dialect, stream);
            let mut request = Request::builder().method("POST").uri(format!("http://gateway.test{}", call.path));
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            let before = trio.simulator.newest().await?;
            let answer = h2_client::exchange(trio.addresses.proxy, request.body(call.body.clone())?).await?;
            ensure!(answer.status() == 200, "{dialect:?}, stream {stream}: {answer:?}");
            let id = answer.headers().get("x-request-id").context("no x-request-id")?.to_str()?;
            let event = trio.rest.event(id, START).await?;
            let received = trio.simulator.only_request(before).await?;
            assert_eq!(tollgate_tests::Tokens::of(&event)?, received.generated);
            ensure!(received.body == call.body, "the body changed on its way");
        }
    }
    Ok(())
}
