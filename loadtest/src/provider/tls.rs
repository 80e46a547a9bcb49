//! A certificate authority of the day, and a server certificate of it.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::options::TlsOptions;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Configuration(#[from] rustls::Error),
    #[error("writing the authority's certificate: {0}")]
    File(#[from] std::io::Error),
}

/// The acceptor, and the authority's certificate as PEM.
pub(crate) fn acceptor(options: &TlsOptions) -> Result<(TlsAcceptor, String), TlsError> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "Simulated provider's authority");
    let authority_certificate = authority.self_signed(&authority_key)?;

    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(options.names.iter().filter(|name| !matches!(name.as_str(), "localhost" | "127.0.0.1")).cloned());
    let mut server = CertificateParams::new(names.clone())?;
    let common_name = names.iter().find(|name| name.parse::<IpAddr>().is_err());
    server.distinguished_name.push(DnType::CommonName, common_name.map_or("localhost", String::as_str));
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &Issuer::new(authority, authority_key))?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let pem = authority_certificate.pem();
    if let Some(file) = &options.ca_file {
        std::fs::write(file, &pem)?;
    }
    Ok((TlsAcceptor::from(Arc::new(config)), pem))
}
