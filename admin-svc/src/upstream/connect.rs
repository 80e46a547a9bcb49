//! Opens a connection to a checked address.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;
use url::Url;

use super::{UpstreamClient, UpstreamError};

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The system's certificate authorities (a company may have its own there); without any, the usual public ones.
pub(super) fn tls_config() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().unwrap_or_default());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

pub(super) async fn open(client: &UpstreamClient, url: &Url) -> Result<Box<dyn Stream>, UpstreamError> {
    let host = url.host_str().ok_or(UpstreamError::Url)?;
    let port = url.port_or_known_default().ok_or(UpstreamError::Url)?;
    let is_plain = url.scheme() == "http";
    let tcp = connect(&permitted(client, host, port, is_plain).await?).await?;
    if is_plain {
        return Ok(Box::new(tcp));
    }
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| UpstreamError::Url)?;
    let tls = TlsConnector::from(Arc::clone(&client.tls)).connect(name, tcp).await.map_err(UpstreamError::Connect)?;
    Ok(Box::new(tls))
}

/// The host's addresses that may be connected to. Resolved once, so that what is checked is what is connected to.
async fn permitted(
    client: &UpstreamClient,
    host: &str,
    port: u16,
    is_plain: bool,
) -> Result<Vec<SocketAddr>, UpstreamError> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = lookup_host((name, port)).await.map_err(|_| UpstreamError::Resolve)?;
    let may = |address: &SocketAddr| {
        if is_plain { client.policy.lists(address.ip()) } else { client.policy.permits(address.ip()) }
    };
    let permitted: Vec<SocketAddr> = addresses.filter(may).collect();
    if permitted.is_empty() { Err(UpstreamError::AddressRefused) } else { Ok(permitted) }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, UpstreamError> {
    TcpStream::connect(addresses).await.map_err(UpstreamError::Connect)
}
