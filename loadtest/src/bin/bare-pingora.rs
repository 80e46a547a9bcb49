//! The smallest Pingora program that forwards to one upstream with keep-alive and nothing else.
//!
//! It is the baseline that travels with the measurements: what a gateway costs beyond it is the
//! price of the gateway's own work.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

/// Forwards everything to one upstream.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Flags {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

struct Forward {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Forward {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let flags = Flags::parse();
    let conf = ServerConf { threads: flags.threads, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), Forward { upstream: flags.upstream });
    service.add_tcp(&flags.listen.to_string());
    server.add_service(service);
    server.run_forever();
}
