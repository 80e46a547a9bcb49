//! Same protocol in and out: the provider gets the caller's bytes and nothing that tells who the caller is, the caller
//! gets the provider's bytes and nothing that tells whose account it is. Only the ids of stored objects get a tag.
//!
//! A relay between proxy and provider shows both sides of the wire, so the comparison is exact.

use anyhow::{Context, ensure};
use serde_json::json;
use tollgate_tests::{
    Application, Dialect, Tap, Trio,
    raw::{self, Head, RawAnswer, request},
    seed::Seed,
    tap::Exchange,
};

/// What says something about the caller, or belongs to one connection or account.
const CALLERS_OWN: &[(&str, &str)] = &[
    ("user-agent", "OpenAI/Python 3.54.0"),
    ("x-stainless-lang", "python"),
    ("x-stainless-os", "Linux"),
    ("x-goog-api-client", "google-genai-sdk/3.4.0 gl-python/3.11"),
    ("accept-language", "nb-NO"),
    ("accept-encoding", "gzip, br"),
    ("cookie", "session=canary"),
    ("origin", "https://intranet.canary.example"),
    ("referer", "https://intranet.canary.example/page"),
    ("sec-fetch-mode", "cors"),
    ("sec-ch-ua-platform", "canary"),
    ("forwarded", "for=192.0.2.60"),
    ("x-forwarded-for", "192.0.2.60"),
    ("x-forwarded-host", "intranet.canary.example"),
    ("x-real-ip", "192.0.2.60"),
    ("via", "1.1 canary"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "canary=1"),
    ("baggage", "user=canary"),
    ("openai-organization", "org-canary"),
    ("openai-project", "proj-canary"),
    ("x-request-id", "canary"),
    ("x-custom", "canary"),
    ("dnt", "1"),
];

/// What may reach a provider, besides its credential. `user-agent` and `accept-encoding` are the proxy's own.
const TOWARDS_PROVIDER: &[&str] = &[
    "host",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "connection",
    "user-agent",
    "idempotency-key",
    "openai-beta",
    "anthropic-beta",
    "anthropic-version",
    "x-server-timeout",
];

/// What may come back to the caller: of the provider's own, and what the proxy says itself.
const TOWARDS_CALLER: &[&str] = &[
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "date",
    "x-request-id",
    "x-tollgate-attempts",
    "x-tollgate-provider",
    "x-tollgate-model",
];

/// Where the answer shows the id of something that is stored: it gets a tag.
const STORED: &[&str] = &["/v1/responses", "/v1/files"];
const MARKER: &str = "-tgk1_";
const TAG_CHARACTERS: usize = 38;

struct Case {
    dialect: Dialect,
    target: String,
    body: Vec<u8>,
    content_type: String,
}

async fn behind_a_tap() -> anyhow::Result<(Trio, Tap, Application)> {
    let mut trio = Trio::start().await?;
    let tap = Tap::start(trio.addresses.provider).await?;
    for provider in trio.rest.all("providers").await? {
        let id = provider["id"].as_str().context("a provider without id")?;
        trio.rest.delete(&format!("providers/{id}")).await?;
    }
    trio.seed = Seed::plant(&trio.rest, &tap.origin()).await?;
    let application = trio.application("tapped", 1).await?;
    Ok((trio, tap, application))
}

/// Sends it with everything that a caller may have about itself, and checks what crossed in both directions.
async fn crosses_untouched(trio: &Trio, tap: &Tap, application: &Application, case: &Case) -> anyhow::Result<()> {
    let (name, value) = case.dialect.credential(&application.secret);
    let mut headers: Vec<(&str, &str)> = CALLERS_OWN.to_vec();
    // It would make an OpenAI request one of Gemini's where both have the path.
    headers.retain(|(name, _)| case.dialect == Dialect::Gemini || *name != "x-goog-api-client");
    headers.extend([(name, value.as_str()), ("content-type", &case.content_type), ("accept", "application/json")]);
    if case.dialect == Dialect::Anthropic {
        headers.extend([("anthropic-version", "2026-10-21"), ("anthropic-beta", "one-2026-01-01,two-2026-02-02")]);
    }
    tap.take();
    let answer = raw::exchange(trio.addresses.proxy, &request("POST", &case.target, &headers, &case.body)).await?;
    let crossed = tap.take();
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.head.status == 200 && answer.complete, "{} {shown}", answer.head.status);
    provider_saw(&crossed, case, application)?;
    caller_saw(&answer, &crossed, STORED.contains(&case.target.as_str()))
}

fn provider_saw(crossed: &Exchange, case: &Case, application: &Application) -> anyhow::Result<()> {
    let (line, headers, body) = parse_request(&crossed.to_provider)?;
    ensure!(line == format!("POST {} HTTP/1.1", case.target), "the request line is {line}");
    if body != case.body {
        let at = body.iter().zip(&case.body).position(|(a, b)| a != b).unwrap_or(body.len().min(case.body.len()));
        anyhow::bail!("the body changed from byte {at} on: {}", String::from_utf8_lossy(&body[at..]));
    }
    let (credential, value) = case.dialect.credential(&application.keys(case.dialect)[0].secret);
    for (name, value) in &headers {
        let name = name.to_ascii_lowercase();
        ensure!(TOWARDS_PROVIDER.contains(&name.as_str()) || name == credential, "{name}: {value} went upstream");
        ensure!(!value.contains("canary.example") && !value.contains("python"), "{name}: {value} went upstream");
    }
    let one = |name: &str| {
        let values: Vec<&str> =
            headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
        values
    };
    assert_eq!(one(credential), [value.as_str()]);
    assert_eq!(one("content-type"), [case.content_type.as_str()]);
    assert_eq!(one("content-length"), [case.body.len().to_string().as_str()]);
    if case.dialect == Dialect::Anthropic {
        assert_eq!(one("anthropic-version"), ["2026-10-21"]);
        assert_eq!(one("anthropic-beta"), ["one-2026-01-01,two-2026-02-02"]);
    }
    let text = String::from_utf8_lossy(&crossed.to_provider);
    ensure!(!text.contains(&application.secret), "the access key went upstream");
    ensure!(!text.contains("192.0.2.60") && !text.contains("org-canary"), "something of the caller went upstream");
    Ok(())
}

fn caller_saw(answer: &RawAnswer, crossed: &Exchange, stored: bool) -> anyhow::Result<()> {
    let (head, body) = parse_answer(&crossed.from_provider)?;
    ensure!(answer.head.status == head.status, "the status changed from {}", head.status);
    let untagged = without_tags(&answer.body)?;
    ensure!((untagged != answer.body) == stored, "tags are not where they should be:\n{}", text(&answer.body));
    ensure!(untagged == body, "the answer changed:\n{}\n{}", text(&body), text(&answer.body));
    for (name, value) in &answer.head.headers {
        let name = name.to_ascii_lowercase();
        ensure!(TOWARDS_CALLER.contains(&name.as_str()), "{name}: {value} came back");
        ensure!(!value.contains("simulated"), "{name}: {value} tells of the account");
    }
    assert_eq!(answer.head.header("content-type"), head.header("content-type"));
    Ok(())
}

/// An answer as it was before ids got their tags, each of which stands at the end of a JSON string.
fn without_tags(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(MARKER.len()).position(|window| window == MARKER.as_bytes()) {
        let (tag, behind) = rest[at + MARKER.len()..].split_at_checked(TAG_CHARACTERS).context("a tag is cut")?;
        ensure!(tag.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)), "{}", text(tag));
        ensure!(behind.first() == Some(&b'"'), "a tag that ends no string: {}", text(tag));
        plain.extend_from_slice(&rest[..at]);
        rest = behind;
    }
    Ok([&plain, rest].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

type ParsedRequest = (String, Vec<(String, String)>, Vec<u8>);

/// One request with a content length.
fn parse_request(bytes: &[u8]) -> anyhow::Result<ParsedRequest> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("no request went upstream")?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .context("a header without a colon")?;
    Ok((line, headers, bytes[end + 4..].to_vec()))
}

/// One answer, its chunks put together.
fn parse_answer(bytes: &[u8]) -> anyhow::Result<(Head, Vec<u8>)> {
    let (head, length) = raw::parse_head(bytes)?.context("no answer came from the provider")?;
    let mut rest = &bytes[length..];
    if head.header("transfer-encoding").is_none() {
        return Ok((head, rest.to_vec()));
    }
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else {
            anyhow::bail!("the provider's chunks are broken");
        };
        let end = start + usize::try_from(size)?;
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok((head, body));
        }
    }
}

/// JSON text as no serialiser would write it: odd white space, escapes for plain letters, long numbers, unknown fields.
struct Odd;

impl Odd {
    fn object(members: &[(&str, String)]) -> String {
        let mut members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\"{}:{}{value}", Self::space(), Self::space()))
            .collect();
        for _ in 0..fastrand::usize(1..5) {
            let name: String = std::iter::repeat_with(fastrand::alphabetic).take(8).collect();
            members.push(format!("\"x_{name}\"{}:{}", Self::space(), Self::value(3)));
        }
        fastrand::shuffle(&mut members);
        let separator = format!("{},{}", Self::space(), Self::space());
        format!("{}{{{}{}{}}}{}", Self::space(), Self::space(), members.join(&separator), Self::space(), Self::space())
    }

    fn value(depth: usize) -> String {
        match fastrand::usize(0..if depth == 0 { 4 } else { 6 }) {
            0 => Self::string("Crème brûlée, \u{1F980} and \"quotes\""),
            1 => ["0.10", "1E+2", "-0", "12345678901234567890123", "1.0000000000000000000001"][fastrand::usize(0..5)]
                .to_owned(),
            2 => ["true", "false", "null"][fastrand::usize(0..3)].to_owned(),
            3 => "\"a\\/b\\u0000\\b\\f\"".to_owned(),
            4 => format!("[{}{},{}]", Self::space(), Self::value(depth - 1), Self::value(depth - 1)),
            _ => format!(
                "{{\"model\":{},{}\"stream\":{}}}",
                Self::value(depth - 1),
                Self::space(),
                Self::value(depth - 1)
            ),
        }
    }

    fn string(text: &str) -> String {
        let mut quoted = String::from("\"");
        for character in text.chars() {
            let mut units = [0; 2];
            if fastrand::u8(0..4) == 0 || character == '"' {
                for unit in character.encode_utf16(&mut units) {
                    quoted.extend(["\\u".to_owned(), format!("{unit:04X}")]);
                }
            } else {
                quoted.push(character);
            }
        }
        quoted.push('"');
        quoted
    }

    fn space() -> &'static str {
        ["", "", " ", "\t", "\r\n  ", "\n\n"][fastrand::usize(0..6)]
    }
}

/// Every path that takes JSON, with the least that the provider wants and much that it does not know.
fn json_cases() -> Vec<Case> {
    let messages = json!([{"role": "user", "content": "How long is the coast of Norway?"}]).to_string();
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]});
    let part = contents["contents"].to_string();
    let content = contents["contents"][0].to_string();
    let input = Odd::string("one and two");
    let embedded = format!("[{{\"model\": \"models/gemini-embedding-001\", \"content\": {content}}}]");
    let mut cases = Vec::new();
    let mut add = |dialect, target: &str, model: Option<&str>, members: &[(&str, &str)]| {
        let mut members: Vec<(&str, String)> =
            members.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        members.extend(model.map(|model| ("model", Odd::string(model))));
        let body = Odd::object(&members).into_bytes();
        cases.push(Case { dialect, target: target.to_owned(), body, content_type: "application/json".to_owned() });
    };
    let usage = "{\"include_usage\" : true}";
    let (openai, anthropic, gemini) = (Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini);
    let gpt = Some("gpt-4.1");
    add(openai, "/v1/chat/completions", gpt, &[("messages", &messages)]);
    add(openai, "/v1/chat/completions", gpt, &[("messages", &messages), ("stream", "true"), ("stream_options", usage)]);
    add(openai, "/v1/responses", gpt, &[("input", &input)]);
    add(openai, "/v1/responses", gpt, &[("input", &input), ("stream", "true")]);
    add(openai, "/v1/embeddings", Some("text-embedding-3-small"), &[("input", &input)]);
    add(openai, "/v1/completions", gpt, &[("prompt", &input)]);
    add(openai, "/v1/completions", gpt, &[("prompt", &input), ("stream", "true"), ("stream_options", usage)]);
    add(openai, "/v1/moderations", Some("omni-moderation-latest"), &[("input", &input)]);
    add(openai, "/v1/images/generations", Some("gpt-image-1"), &[("prompt", &input)]);
    add(openai, "/v1/audio/speech", Some("tts-1"), &[("input", &input), ("voice", "\"alloy\"")]);
    let claude = Some("claude-sonnet-4-6");
    let limit = ("max_tokens", "64");
    add(anthropic, "/v1/messages", claude, &[("messages", &messages), limit]);
    add(anthropic, "/v1/messages?beta=true", claude, &[("messages", &messages), limit, ("stream", "true")]);
    add(anthropic, "/v1/messages/count_tokens", claude, &[("messages", &messages)]);
    for version in ["v1", "v1beta"] {
        let model = format!("/{version}/models/gemini-2.5-flash");
        add(gemini, &format!("{model}:generateContent"), None, &[("contents", &part)]);
        add(gemini, &format!("{model}:streamGenerateContent?alt=sse"), None, &[("contents", &part)]);
        add(gemini, &format!("{model}:streamGenerateContent"), None, &[("contents", &part)]);
        add(gemini, &format!("{model}:countTokens"), None, &[("contents", &part)]);
        let model = format!("/{version}/models/gemini-embedding-001");
        add(gemini, &format!("{model}:embedContent"), None, &[("content", &content)]);
        add(gemini, &format!("{model}:batchEmbedContents"), None, &[("requests", &embedded)]);
    }
    cases
}

#[tokio::test]
async fn json_bodies_and_their_answers_cross_byte_for_byte() -> anyhow::Result<()> {
    let seed = fastrand::u64(..);
    fastrand::seed(seed);
    eprintln!("seed {seed}");
    let (trio, tap, application) = behind_a_tap().await?;
    let mut wrong = Vec::new();
    for round in 0..5 {
        for case in json_cases() {
            if let Err(error) = crosses_untouched(&trio, &tap, &application, &case).await {
                wrong.push(format!("{}, round {round}: {error:#}\nsent {}", case.target, text(&case.body)));
            }
        }
        if !wrong.is_empty() {
            break;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

#[tokio::test]
async fn forms_and_their_answers_cross_byte_for_byte() -> anyhow::Result<()> {
    let (trio, tap, application) = behind_a_tap().await?;
    let file: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(200_000).collect();
    for (target, fields, file_field) in [
        ("/v1/audio/transcriptions", &[("model", "whisper-1")][..], "file"),
        ("/v1/images/edits", &[("model", "gpt-image-1"), ("prompt", "a hat")][..], "image"),
        ("/v1/files", &[("purpose", "batch")][..], "file"),
    ] {
        let boundary = "----odd'boundary(7)";
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let disposition = format!("form-data; name=\"{file_field}\"; filename=\"a.bin\"");
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n").as_bytes());
        body.extend_from_slice(&file);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let case = Case { dialect: Dialect::OpenAi, target: target.to_owned(), body, content_type };
        crosses_untouched(&trio, &tap, &application, &case).await.with_context(|| target.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_renamed_model_is_the_only_change() -> anyhow::Result<()> {
    let (trio, tap, application) = behind_a_tap().await?;
    for (dialect, upstream_model) in [(Dialect::OpenAi, "gpt-4.1-mini"), (Dialect::Anthropic, "claude-haiku-4-5")] {
        let pool_id = &application.keys(dialect)[0].pool_id;
        let slug = format!("renamed-{}", dialect.name());
        let service = json!({"name": slug, "slug": slug, "strategy": "round_robin",
            "routes": [{"models": ["alias"], "targets": [{"pool_id": pool_id, "model": upstream_model}]}]});
        let service = trio.rest.create("services", &service).await?;
        let key = trio.rest.create("access-keys", &json!({"service_id": service["id"], "name": slug})).await?;
        trio.in_force().await?;
        let (name, value) = dialect.credential(key["secret"].as_str().context("no secret")?);
        let body = "{ \"max_tokens\":9,\"model\" : \"alias\", \"messages\":[{\"role\":\"user\",\"content\":\"alias \\u0041\"}]\n}";
        let headers =
            [(name, value.as_str()), ("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
        let headers = if dialect == Dialect::Anthropic { &headers[..] } else { &headers[..2] };
        tap.take();
        let target = dialect.chat_path("alias", false);
        let answer = raw::exchange(trio.addresses.proxy, &request("POST", &target, headers, body.as_bytes())).await?;
        ensure!(answer.head.status == 200, "{} {}", answer.head.status, text(&answer.body));
        let (_, _, sent) = parse_request(&tap.take().to_provider)?;
        assert_eq!(text(&sent), body.replacen("\"alias\"", &format!("\"{upstream_model}\""), 1));
    }
    Ok(())
}
