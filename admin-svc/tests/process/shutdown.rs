//! How the program stops.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{Hello, WatchRequest, config_discovery_client::ConfigDiscoveryClient, watch_request::Message};
use tonic::{Code, Request, Streaming, transport::Channel};
use uuid::Uuid;

use crate::program::{JOIN_TOKEN, Program};

#[test]
fn sigterm_ends_streams_and_connections_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::serve(folder.path());
    let runtime = Runtime::new().unwrap();
    let (_requests, mut responses) = runtime.block_on(watch(&program));
    runtime.block_on(responses.message()).unwrap();
    // A client that keeps its connection open, and one that never finishes its request.
    let mut idle = TcpStream::connect(program.address("http").trim_start_matches("http://")).unwrap();
    idle.write_all(b"GET /api/v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    let mut slow = TcpStream::connect(program.address("http").trim_start_matches("http://")).unwrap();
    slow.write_all(b"POST /api/v1/setup HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();

    program.signal("-TERM");
    let ended = runtime.block_on(async {
        loop {
            match responses.message().await {
                Ok(Some(_)) => (),
                Ok(None) => break Code::Ok,
                Err(status) => break status.code(),
            }
        }
    });
    assert_eq!(ended, Code::Unavailable);
    let (code, took) = program.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_idle_program_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::serve(folder.path());
    program.line("whole configuration published", |_| true);
    program.signal("-INT");
    let (code, took) = program.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_second_signal_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::serve(folder.path());
    let mut slow = TcpStream::connect(program.address("http").trim_start_matches("http://")).unwrap();
    slow.write_all(b"POST /api/v1/setup HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let started = Instant::now();
    program.signal("-TERM");
    program.line("stopping", |_| true);
    program.signal("-TERM");
    program.ended();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

type WatchStream = (tokio::sync::mpsc::Sender<WatchRequest>, Streaming<tollgate_proto::WatchResponse>);

async fn watch(program: &Program) -> WatchStream {
    let channel = Channel::from_shared(program.address("grpc")).unwrap().connect().await.unwrap();
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let hello = Hello {
        proxy_id: Uuid::now_v7().to_string(),
        boot_id: Uuid::now_v7().to_string(),
        schema: 1,
        ..Hello::default()
    };
    requests.send(WatchRequest { message: Some(Message::Hello(hello)) }).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", format!("Bearer {JOIN_TOKEN}").parse().unwrap());
    let responses = ConfigDiscoveryClient::new(channel).watch(request).await.unwrap();
    (requests, responses.into_inner())
}
