//! What stands before a request: tokens, whose address counts, limits by address, shedding.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tollgate_tests::{
    Application, Call, Dialect, Trio,
    eventually::{START, eventually},
    raw::{Connection, RawAnswer, exchange, request},
    rest::text,
    trio::Settings,
};

async fn guarded(proxy: &[(&'static str, &str)]) -> anyhow::Result<Trio> {
    let proxy = proxy.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Trio::start_with(Settings { proxy, ..Settings::default() }).await
}

/// A question with the key in the header of the dialect's SDK, after other headers.
fn question(key: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend_from_slice(more);
    let body = Dialect::OpenAi.chat_body(Dialect::OpenAi.model(), false).to_string();
    request("POST", "/v1/chat/completions", &headers, body.as_bytes())
}

async fn metric(trio: &Trio, line: &str) -> anyhow::Result<u64> {
    let answer = exchange(trio.addresses.proxy_ops, &request("GET", "/metrics", &[], b"")).await?;
    let page = String::from_utf8(answer.body)?;
    let found = page.lines().find_map(|found| found.strip_prefix(line)).context("no such metric")?;
    Ok(found.trim().parse()?)
}

fn error_code(answer: &RawAnswer) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(&answer.body)?;
    Ok(body["error"]["code"].as_str().context("an error without a code")?.to_owned())
}

#[tokio::test]
async fn token_goes_wherever_its_access_key_goes_and_ends_with_it() -> anyhow::Result<()> {
    let (trio, application) = Trio::with_application().await?;
    let tokens = format!("access-keys/{}/tokens", application.access_key_id);
    let created = trio.rest.create(&tokens, &json!({})).await?;
    let token = text(&created, "token")?.to_owned();
    let short = trio.rest.create(&tokens, &json!({"expires_in_seconds": 1})).await?;
    let narrow = trio.rest.create(&tokens, &json!({"models": ["gpt-5*"]})).await?;
    for dialect in Dialect::ALL {
        let before = trio.simulator.newest().await?;
        let answer = trio.send(&Call::chat(dialect, &token, dialect.model(), false)).await?;
        ensure!(answer.status == 200, "{dialect:?}: {}", answer.text());
        let event = trio.rest.event(answer.request_id()?, START).await?;
        ensure!(event["access_key_id"] == application.access_key_id.as_str(), "{event}");
        let received = format!("{:?}", trio.simulator.only_request(before).await?);
        ensure!(!received.contains(&token), "{dialect:?}: the token went to the provider");
    }
    // In the address, beside the other parameters.
    let model = Dialect::Gemini.model();
    let path = format!("/v1beta/models/{model}:generateContent?key={token}&other={token}");
    let body = Dialect::Gemini.chat_body(model, false).to_string();
    let before = trio.simulator.newest().await?;
    let answer = exchange(trio.addresses.proxy, &request("POST", &path, &[], body.as_bytes())).await?;
    ensure!(answer.head.status == 200, "{}", String::from_utf8_lossy(&answer.body));
    ensure!(!format!("{:?}", trio.simulator.only_request(before).await?).contains(&token));

    let scoped = trio.send(&Call::chat(Dialect::OpenAi, text(&narrow, "token")?, "gpt-4.1", false)).await?;
    ensure!(scoped.status == 404, "{}", scoped.text());
    let altered = format!("{}AAAA", &token[..token.len() - 4]);
    let refused = trio.send(&Call::chat(Dialect::OpenAi, &altered, "gpt-4.1", false)).await?;
    ensure!(refused.status == 401 && refused.text().contains("access token is not valid"), "{}", refused.text());
    // Its own second, and what clocks may differ.
    let short = text(&short, "token")?.to_owned();
    let expired = eventually("the token expires", START, async || {
        let answer = trio.send(&Call::chat(Dialect::OpenAi, &short, "gpt-4.1", false)).await?;
        Ok((answer.status != 200).then_some(answer))
    });
    let expired = expired.await?;
    ensure!(expired.status == 401 && expired.text().contains("access token has expired"), "{}", expired.text());

    trio.revoke(&application.access_key_id).await?;
    let revoked = eventually("the key is revoked at the proxy", Duration::from_secs(5), async || {
        let answer = trio.send(&Call::chat(Dialect::OpenAi, &token, "gpt-4.1", false)).await?;
        Ok((answer.status != 200).then_some(answer))
    });
    let revoked = revoked.await?;
    ensure!(revoked.status == 401 && revoked.text().contains("revoked"), "{}", revoked.text());
    let (status, problem) = trio.rest.call(Method::POST, &format!("/api/v1/{tokens}"), Some(&json!({}))).await?;
    ensure!(status == 409, "{problem}");
    for secret in [&token, &short] {
        ensure!(!trio.logs().contains(secret.as_str()), "a token is in a log");
    }
    Ok(())
}

/// An application that may be used from one network only.
async fn office(trio: &Trio) -> anyhow::Result<Application> {
    let security = json!({"security": {"ip_allow": ["198.51.100.0/24", "2001:db8:7::/48"]}});
    let application = trio.seed.application_with(&trio.rest, "office", 1, &security).await?;
    trio.in_force().await?;
    Ok(application)
}

#[tokio::test]
async fn forwarded_address_counts_where_the_proxy_is_trusted() -> anyhow::Result<()> {
    for (trusted, forwarded, status) in [
        ("127.0.0.1", "198.51.100.7", 200),
        ("127.0.0.1", "198.51.100.7, 192.0.2.1", 403),
        ("127.0.0.1,192.0.2.0/24", "198.51.100.7:1234, 192.0.2.1", 200),
        ("10.0.0.0/8", "198.51.100.7", 403),
    ] {
        let trio = guarded(&[("TOLLGATE_PROXY_TRUSTED_PROXIES", trusted)]).await?;
        let office = office(&trio).await?;
        let asked = question(&office.secret, &[("x-forwarded-for", forwarded)]);
        let answer = exchange(trio.addresses.proxy, &asked).await?;
        ensure!(answer.head.status == status, "{trusted} {forwarded}: {}", answer.head.status);
    }
    Ok(())
}

#[tokio::test]
async fn proxy_protocol_says_whose_connection_it_is() -> anyhow::Result<()> {
    let settings = [("TOLLGATE_PROXY_TRUSTED_PROXIES", "127.0.0.1"), ("TOLLGATE_PROXY_PROXY_PROTOCOL", "on")];
    let trio = guarded(&settings).await?;
    let office = office(&trio).await?;
    let version_2 = |family: u8, addresses: &[u8]| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
        header.extend_from_slice(&[family, 0, u8::try_from(addresses.len()).unwrap_or(u8::MAX)]);
        header.extend_from_slice(addresses);
        header
    };
    let v4 = version_2(0x11, &[198, 51, 100, 7, 127, 0, 0, 1, 0, 80, 0, 80]);
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().map(|address| address.octets());
    let v6 = [&address("2001:db8:7::1")?[..], &address("::1")?, &[0, 80, 0, 80]].concat();
    let v6 = version_2(0x21, &v6);
    for (header, status) in [
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n".to_vec(), 200),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n".to_vec(), 403),
        (b"PROXY UNKNOWN\r\n".to_vec(), 403),
        (v4.clone(), 200),
        (v6, 200),
    ] {
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        // In two pieces, and a second request on the same connection.
        connection.send(&header[..header.len() / 2]).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        connection.send(&[&header[header.len() / 2..], &question(&office.secret, &[])].concat()).await?;
        ensure!(connection.answer().await?.head.status == status, "{header:?}");
        if status == 200 {
            connection.send(&question(&office.secret, &[])).await?;
            ensure!(connection.answer().await?.head.status == 200, "{header:?}: the second request");
        }
    }
    let before = metric(&trio, "tollgate_proxy_refused_total{reason=\"proxy_header\"}").await?;
    for begun in
        [&question(&office.secret, &[])[..], b"PROXY TCP4 nowhere\r\n", b"\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff"]
    {
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        connection.send(begun).await?;
        ensure!(connection.head().await.is_err(), "{begun:?} was answered");
    }
    let refused = metric(&trio, "tollgate_proxy_refused_total{reason=\"proxy_header\"}").await?;
    ensure!(refused == before + 3, "{refused} after {before}");
    // HTTP/2 by prior knowledge, behind the header.
    let h2 = h2_status(&trio, &v4, &office.secret).await?;
    ensure!(h2 == 200, "{h2}");
    Ok(())
}

async fn h2_status(trio: &Trio, header: &[u8], key: &str) -> anyhow::Result<u16> {
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(trio.addresses.proxy).await?;
    stream.write_all(header).await?;
    let (client, connection) = h2::client::handshake(stream).await?;
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let mut client = client.ready().await?;
    let asked = http::Request::post("http://gateway.test/v1/chat/completions")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(())?;
    let (answer, mut body) = client.send_request(asked, false)?;
    body.send_data(Dialect::OpenAi.chat_body(Dialect::OpenAi.model(), false).to_string().into(), true)?;
    let status = answer.await?.status().as_u16();
    Ok(status)
}

#[tokio::test]
async fn address_has_its_connections_and_its_rate() -> anyhow::Result<()> {
    let trio = guarded(&[
        ("TOLLGATE_PROXY_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("TOLLGATE_PROXY_PROTECTION__CONNECTIONS_PER_ADDRESS", "3"),
        ("TOLLGATE_PROXY_PROTECTION__REQUESTS_PER_SECOND_PER_ADDRESS", "20"),
    ])
    .await?;
    let application = trio.application("application", 1).await?;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        connection.send(&question(&application.secret, &[])).await?;
        ensure!(connection.answer().await?.head.status == 200);
        kept.push(connection);
    }
    let fourth = exchange(trio.addresses.proxy, &question(&application.secret, &[])).await?;
    ensure!(fourth.head.status == 429 && fourth.head.header("retry-after") == Some("1"), "{:?}", fourth.head);
    ensure!(error_code(&fourth)? == "rate_limit_exceeded");
    ensure!(metric(&trio, "tollgate_proxy_refused_total{reason=\"address_connections\"}").await? == 1);
    kept.pop();
    eventually("the place is free again", START, async || {
        let answer = exchange(trio.addresses.proxy, &question(&application.secret, &[])).await?;
        Ok((answer.head.status == 200).then_some(()))
    })
    .await?;
    // The rate is refused before the key is looked at.
    let connection = kept.first_mut().context("a connection")?;
    let (mut refused, start) = (0, Instant::now());
    for _ in 0..200 {
        connection.send(&request("GET", "/v1/models", &[("authorization", "Bearer tg_nobodys")], b"")).await?;
        let answer = connection.answer().await?;
        match answer.head.status {
            401 => {}
            429 => refused += u32::from(answer.head.header("x-should-retry").is_none()),
            other => anyhow::bail!("{other}"),
        }
    }
    let passed = 200 - refused;
    let most = 21 + 20 * u32::try_from(start.elapsed().as_secs() + 1)?;
    ensure!(passed <= most, "{passed} passed, of {most}");
    ensure!(refused > 0, "nothing was refused in {:?}", start.elapsed());
    Ok(())
}

#[tokio::test]
async fn short_memory_sheds_all_but_the_first_requests() -> anyhow::Result<()> {
    // Less than any proxy takes.
    let trio = guarded(&[("TOLLGATE_PROXY_PROTECTION__MEMORY_WATERMARK", "8388608")]).await?;
    let application = trio.application("application", 1).await?;
    eventually("the memory is watched", START, async || {
        Ok((metric(&trio, "tollgate_proxy_memory_bytes").await? > 0).then_some(()))
    })
    .await?;
    let idle = metric(&trio, "tollgate_proxy_memory_bytes").await?;
    ensure!(idle > 8_388_608, "an idle proxy takes {idle} bytes");
    trio.simulator.fault(json!({}), None, json!({"kind": "slow_drip", "gap_ms": 2000})).await?;
    let call = application.chat(Dialect::OpenAi, true);
    let headers: Vec<(&str, &str)> = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::open(trio.addresses.proxy).await?;
        connection.send(&request("POST", &call.path, &headers, &call.body)).await?;
        streams.push(connection);
    }
    for stream in &mut streams {
        ensure!(stream.head().await?.status == 200);
    }
    let shed = exchange(trio.addresses.proxy, &question(&application.secret, &[])).await?;
    ensure!(shed.head.status == 503 && shed.head.header("retry-after") == Some("1"), "{:?}", shed.head);
    ensure!(metric(&trio, "tollgate_proxy_refused_total{reason=\"memory\"}").await? > 0);
    Ok(())
}
