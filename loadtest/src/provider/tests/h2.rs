//! The same answers and faults over h2: by prior knowledge, and by ALPN over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::super::fault::{Fault, FaultRule};
use super::super::options::{Options, TlsOptions};
use super::super::running::{Running, SimulatedProvider};
use super::wire::start;

async fn handshake<S>(socket: S, tasks: &TaskTracker) -> SendRequest<Full<Bytes>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tasks.spawn(connection);
    sender
}

fn chat(provider: &Running, model: &str, stream: bool) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"over h2"}}]}}"#);
    Request::post(format!("{}/v1/chat/completions", provider.base_url()))
        .header("authorization", "Bearer sk-a")
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn prior_knowledge_is_understood() {
    let provider = start();
    let tasks = TaskTracker::new();
    let socket = TcpStream::connect(provider.address()).await.unwrap();
    let mut sender = handshake(socket, &tasks).await;
    let response = sender.send_request(chat(&provider, "m", false)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("openai-organization"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("Echo: over h2 "));
    let request = &provider.requests()[0];
    assert_eq!((request.target.as_str(), request.completed), ("/v1/chat/completions", true));
    assert_eq!(request.header("authorization"), Some("Bearer sk-a"));
}

#[tokio::test]
async fn a_cut_is_a_stream_error_and_a_client_that_leaves_is_seen() {
    let provider = start();
    let tasks = TaskTracker::new();
    let socket = TcpStream::connect(provider.address()).await.unwrap();
    let mut sender = handshake(socket, &tasks).await;
    provider.add_fault(FaultRule::always(Fault::CutMidStream { after_chunks: 2 }).times(1));
    let response = sender.send_request(chat(&provider, "m", true)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let response = sender.send_request(chat(&provider, "sim-chunks-1000-gap-5", true)).await.unwrap();
    drop(response);
    let waiting = tokio::task::spawn_blocking(move || {
        provider.wait_for_request(1, Duration::from_secs(5), |request| request.client_gone)
    });
    let gone = waiting.await.unwrap().unwrap();
    assert!(!gone.completed && gone.status == Some(200));
}

#[tokio::test]
async fn tls_offers_h2_under_its_own_authority() {
    let directory = std::env::temp_dir().join(format!("simulated-provider-{}", fastrand::u64(..)));
    let tls = TlsOptions { names: vec!["provider.test".to_owned()], ca_file: Some(directory.clone()) };
    let provider = SimulatedProvider::start(Options { tls: Some(tls), ..Options::default() }).unwrap();
    let pem = std::fs::read(&directory).unwrap();
    std::fs::remove_file(&directory).unwrap();
    assert_eq!(provider.ca_pem().unwrap().as_bytes(), pem);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(provider.address()).await.unwrap();
    let name = ServerName::try_from("provider.test").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let tasks = TaskTracker::new();
    let mut sender = handshake(stream, &tasks).await;
    assert_eq!(sender.send_request(chat(&provider, "m", true)).await.unwrap().status(), 200);
}
