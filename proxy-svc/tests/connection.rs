//! A client's connection on the wire: what no HTTP library would send, and what all of them rely on.

mod support;

use std::time::Duration;

use loadtest::Options;
use support::{Ground, Setup};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const BODY: &str = r#"{"model":"gpt-test","messages":[{"role":"user","content":"hello"}]}"#;
const PATIENCE: Duration = Duration::from_secs(10);

#[expect(clippy::unwrap_used, reason = "what fails fails the test")]
async fn connect(ground: &Ground) -> TcpStream {
    TcpStream::connect(ground.proxy.address).await.unwrap()
}

fn request(ground: &Ground, extra: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n{extra}content-length: {}\r\n\r\n{body}",
        ground.access_key,
        body.len()
    )
}

#[expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails fails the test")]
/// One answer with a content length: its head and its body, and nothing of what comes behind it.
async fn answer(stream: &mut TcpStream) -> (String, String) {
    timeout(PATIENCE, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer's head"));
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.expect("an answer's body");
        (head, String::from_utf8(body).unwrap())
    })
    .await
    .expect("an answer")
}

#[expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails fails the test")]
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the end").unwrap();
    String::from_utf8_lossy(&bytes).to_ascii_lowercase()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    for _ in 0..3 {
        stream.write_all(request(&ground, "", BODY).as_bytes()).await.unwrap();
        let (head, body) = answer(&mut stream).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("x-request-id: "), "{head}");
        assert!(body.contains("chat.completion"), "{body}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let unknown = BODY.replace("gpt-test", "nobody-has-this");
    let both = request(&ground, "", BODY) + &request(&ground, "", &unknown) + &request(&ground, "", BODY);
    stream.write_all(both.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 200"));
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 404"));
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_request_that_trickles_in_is_served() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    for piece in request(&ground, "", BODY).as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body_is_sent() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let whole = request(&ground, "expect: 100-continue\r\n", BODY);
    let (head, body) = whole.split_at(whole.len() - BODY.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let (interim, _) = answer(&mut stream).await;
    assert!(interim.starts_with("http/1.1 100"), "{interim}");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn http_1_0_knows_no_interim_answers() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let whole = request(&ground, "expect: 100-continue\r\n", BODY).replace("HTTP/1.1", "HTTP/1.0");
    stream.write_all(whole.as_bytes()).await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert!(head.contains(" 200 ok"), "{head}");
}

#[tokio::test]
async fn a_chunked_body_is_understood_and_sent_on_whole() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let (first, second) = BODY.split_at(20);
    let head = request(&ground, "transfer-encoding: chunked\r\n", "").replace("content-length: 0\r\n", "");
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    stream.write_all((head + &chunks).as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 200"));
    assert_eq!(ground.provider.requests()[0].body, BODY.as_bytes());
}

#[tokio::test]
async fn connection_close_is_obeyed() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    stream.write_all(request(&ground, "connection: close\r\n", BODY).as_bytes()).await.unwrap();
    let text = rest(&mut stream).await;
    assert!(text.starts_with("http/1.1 200") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn what_is_no_http_gets_a_typed_error_and_the_end() {
    let ground = Setup::default().start().await;
    for garbage in ["GET\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"] {
        let mut stream = connect(&ground).await;
        stream.write_all(garbage.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with("http/1.1 400") && text.contains(r#""error":"#), "{garbage:?} got {text:?}");
    }
}

#[tokio::test]
async fn another_version_of_http_is_told_from_what_is_none() {
    let ground = Setup::default().start().await;
    for (version, status) in [
        ("HTTP/1.2", 505),
        ("HTTP/0.9", 505),
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("HTTP/1.", 400),
        ("HTTP/x.1", 400),
        ("HTTPS/1.1", 400),
        ("http/1.2", 400),
    ] {
        let mut stream = connect(&ground).await;
        let whole = request(&ground, "", BODY).replace("HTTP/1.1", version);
        stream.write_all(whole.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with(&format!("http/1.1 {status}")), "{version} got {text}");
        assert_eq!(text.contains(r#""code":"http_version_unsupported""#), status == 505, "{version} got {text}");
    }
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let ground = Setup::default().start().await;
    for extra in ["content-length: 5\r\n", "transfer-encoding: gzip\r\n", "transfer-encoding: chunked, identity\r\n"] {
        let mut stream = connect(&ground).await;
        stream.write_all(request(&ground, extra, BODY).as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with("http/1.1 400"), "{extra:?} got {text:?}");
    }
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_names_the_request_where_the_callers_library_looks() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let unknown = BODY.replace("gpt-test", "nobody-has-this");
    let whole = request(&ground, "", &unknown).replace("/v1/chat/completions", "/v1/messages");
    stream.write_all(whole.as_bytes()).await.unwrap();
    let (head, body) = answer(&mut stream).await;
    let named = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let id = named("x-request-id: ").expect("a name");
    assert_eq!(named("request-id: "), Some(id.clone()), "{head}");
    assert!(head.starts_with("http/1.1 404") && body.contains(&id), "{body}");
}

#[tokio::test]
async fn a_transfer_coding_that_is_not_understood_is_refused() {
    let ground = Setup::default().start().await;
    for (coding, status) in [("gzip, chunked", 501), ("chunked, chunked", 400)] {
        let mut stream = connect(&ground).await;
        let extra = format!("transfer-encoding: {coding}\r\n");
        let head = request(&ground, &extra, "").replace("content-length: 0\r\n", "");
        let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
        stream.write_all((head + &chunked).as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with(&format!("http/1.1 {status}")), "{coding} got {text}");
        assert!(text.contains("connection: close") && text.contains(r#""param":"transfer-encoding""#), "{text}");
    }
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn chunks_count_where_a_length_says_otherwise_and_nothing_follows_them() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let head = request(&ground, "transfer-encoding: chunked\r\n", "").replace("length: 0", "length: 5");
    let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    stream.write_all((head + &chunked + &request(&ground, "", BODY)).as_bytes()).await.unwrap();
    let text = rest(&mut stream).await;
    assert!(text.starts_with("http/1.1 200") && text.matches("http/1.1").count() == 1, "{text}");
    let requests = ground.provider.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].body, BODY.as_bytes());
}

#[tokio::test]
async fn nothing_behind_bad_chunks_is_taken_for_a_request() {
    let ground = Setup::default().start().await;
    for size in ["zz\r\n", "5a\n"] {
        let mut stream = connect(&ground).await;
        let head = request(&ground, "transfer-encoding: chunked\r\n", "").replace("content-length: 0\r\n", "");
        stream.write_all((head + size).as_bytes()).await.unwrap();
        let (head, _) = answer(&mut stream).await;
        assert!(head.starts_with("http/1.1 400") && head.contains("connection: close"), "{size:?} got {head}");
        // It may find the connection gone already.
        let _ = stream.write_all(request(&ground, "", BODY).as_bytes()).await;
        let mut more = Vec::new();
        let _ = stream.read_to_end(&mut more).await;
        assert!(more.is_empty(), "{}", String::from_utf8_lossy(&more));
    }
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn a_request_names_its_host_once_and_well() {
    let ground = Setup::default().start().await;
    for host in ["", "host: a\r\nhost: a\r\n", "host: a b\r\n", "host: u@a\r\n", "host: a/b\r\n", "host: a:99999\r\n"] {
        let mut stream = connect(&ground).await;
        let whole = request(&ground, "", BODY).replace("host: gateway\r\n", host);
        stream.write_all(whole.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with("http/1.1 400") && text.contains("connection: close"), "{host:?} got {text}");
    }
    assert!(ground.provider.requests().is_empty());
    let mut old = connect(&ground).await;
    let whole = request(&ground, "", BODY).replace("HTTP/1.1", "HTTP/1.0").replace("host: gateway\r\n", "");
    old.write_all(whole.as_bytes()).await.unwrap();
    assert!(rest(&mut old).await.contains(" 200 ok"));
}

#[tokio::test]
async fn a_target_may_name_the_gateway_but_nobody_else() {
    let ground = Setup::default().start().await;
    for (origin, status) in
        [("http://gateway", 200), ("https://gateway", 200), ("http://elsewhere", 400), ("ftp://gateway", 400)]
    {
        let mut stream = connect(&ground).await;
        let whole = request(&ground, "connection: close\r\n", BODY).replace("POST /", &format!("POST {origin}/"));
        stream.write_all(whole.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with(&format!("http/1.1 {status}")), "{origin} got {text}");
    }
}

#[tokio::test]
async fn too_many_or_too_large_header_fields_are_refused() {
    let ground = Setup::default().start().await;
    let many = "x-field: value\r\n".repeat(300);
    let large = format!("x-large: {}\r\n", "a".repeat(200_000));
    for (path, extra, shape) in [
        ("/v1/chat/completions", &many, r#""code":"header_fields_too_large""#),
        ("/v1/chat/completions", &large, r#""code":"header_fields_too_large""#),
        ("/v1/messages", &large, r#""error_code":"header_fields_too_large""#),
    ] {
        let mut stream = connect(&ground).await;
        let whole = request(&ground, extra, BODY).replace("/v1/chat/completions", path);
        stream.write_all(whole.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with("http/1.1 431") && text.contains(shape), "{path} got {text:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_is_refused_as_such() {
    let setup = Setup { environment: vec![("TOLLGATE_PROXY_LIMITS__MAX_HEADER_BYTES", "8192")], ..Setup::default() };
    let ground = setup.start().await;
    for length in [9_000, 70_000] {
        for (path, shape) in [
            ("/v1/chat/completions", r#""code":"request_target_too_long""#),
            ("/v1/messages/batches", r#""error_code":"request_target_too_long""#),
        ] {
            let mut stream = connect(&ground).await;
            let target = format!("POST {path}?{} HTTP/1.1", "q".repeat(length));
            let whole = request(&ground, "", BODY).replace("POST /v1/chat/completions HTTP/1.1", &target);
            stream.write_all(whole.as_bytes()).await.unwrap();
            let text = rest(&mut stream).await;
            assert!(text.starts_with("http/1.1 414") && text.contains(shape), "{length} {path} got {text:?}");
        }
    }
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn a_slow_header_ends_with_408_and_a_silent_connection_with_nothing() {
    let setup = Setup { environment: vec![("TOLLGATE_PROXY_TIMEOUTS__CLIENT_HEADER_MS", "300")], ..Setup::default() };
    let ground = setup.start().await;
    let mut slow = connect(&ground).await;
    slow.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate").await.unwrap();
    assert!(rest(&mut slow).await.starts_with("http/1.1 408"));
    let mut silent = connect(&ground).await;
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_announced_or_not() {
    let setup = Setup { environment: vec![("TOLLGATE_PROXY_LIMITS__MAX_BODY_BYTES", "100000")], ..Setup::default() };
    let ground = setup.start().await;
    let large = BODY.replace("hello", &"a".repeat(200_000));
    let mut announced = connect(&ground).await;
    let _ = announced.write_all(request(&ground, "", &large).as_bytes()).await;
    assert!(rest(&mut announced).await.starts_with("http/1.1 413"));
    let mut chunked = connect(&ground).await;
    let head = request(&ground, "transfer-encoding: chunked\r\n", "").replace("content-length: 0\r\n", "");
    let _ = chunked.write_all(format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).as_bytes()).await;
    assert!(rest(&mut chunked).await.starts_with("http/1.1 413"));
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_before_its_body_is_whole_reaches_no_upstream() {
    let ground = Setup::default().start().await;
    let mut stream = connect(&ground).await;
    let whole = request(&ground, "", BODY);
    stream.write_all(&whole.as_bytes()[..whole.len() - 10]).await.unwrap();
    drop(stream);
    let event = ground.event(|_| true).await;
    assert_eq!(event.outcome(), tollgate_proto::Outcome::ClientClosed);
    assert!(ground.provider.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_only_ends_its_own_side_has_left_too() {
    let provider = Options { latency: Duration::from_secs(30), ..Options::default() };
    let ground = Setup { provider, ..Setup::default() }.start().await;
    let mut stream = connect(&ground).await;
    stream.write_all(request(&ground, "", BODY).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    let event = ground.event(|_| true).await;
    assert_eq!(event.outcome(), tollgate_proto::Outcome::ClientClosed);
}

#[tokio::test]
async fn http2_by_prior_knowledge_serves_many_requests_on_one_connection() {
    let ground = Setup::default().start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let calls = (0..20).map(|_| {
        let call = client.post(ground.url("/v1/chat/completions")).bearer_auth(&ground.access_key);
        call.header("content-type", "application/json").body(BODY).send()
    });
    for answer in futures::future::join_all(calls).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        assert!(answer.text().await.unwrap().contains("chat.completion"));
    }
}

#[tokio::test]
async fn the_ops_port_says_which_methods_it_takes() {
    let ground = Setup::default().start().await;
    let client = reqwest::Client::new();
    for (method, path, status, allow) in [
        (http::Method::HEAD, "/metrics", 200, None),
        (http::Method::POST, "/livez", 405, Some("GET, HEAD")),
        (http::Method::GET, "/drain", 405, Some("POST")),
        (http::Method::GET, "/livez/", 404, None),
    ] {
        let url = format!("http://{}{path}", ground.proxy.ops);
        let answer = client.request(method.clone(), url).send().await.unwrap();
        let allowed = answer.headers().get("allow").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), allowed), (status, allow), "{method} {path}");
    }
}
