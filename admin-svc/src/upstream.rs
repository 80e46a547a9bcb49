//! A small client for providers: free calls (the list of models) that show whether a key works.
//!
//! Every connection goes to an address that the address policy permits and that was checked just before; there are no
//! redirects, and nothing that an upstream says in an error is passed on: some repeat the key.

mod connect;
mod models;

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use tollgate_shared::{address::AddressPolicy, secret::Secret};

use crate::domain::provider::ProviderSpec;

const WITHIN: Duration = Duration::from_secs(15);

/// Why an upstream did not answer as it should. The text is for administrators and holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the base URL is not usable")]
    Url,
    #[error("the host's name could not be resolved")]
    Resolve,
    #[error("the host has no address that may be connected to")]
    AddressRefused,
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke")]
    Broken,
    #[error("no answer within {} s", WITHIN.as_secs())]
    Timeout,
    #[error("the upstream refused the key (status {0})")]
    KeyRefused(u16),
    #[error("the upstream answered with status {0}")]
    Status(u16),
    #[error("the answer is larger than 4 MiB")]
    TooLarge,
    #[error("the answer is not a list of models")]
    Unreadable,
}

impl UpstreamError {
    /// One word for programs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Resolve => "resolve",
            Self::AddressRefused => "address_refused",
            Self::Connect(_) => "connect",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::KeyRefused(_) => "key_refused",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
        }
    }

    /// The upstream's status, when there was an answer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::KeyRefused(status) | Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

/// Calls providers.
#[derive(Clone, Debug)]
pub struct UpstreamClient {
    policy: AddressPolicy,
    tls: Arc<ClientConfig>,
}

impl UpstreamClient {
    pub fn new(policy: AddressPolicy) -> Result<Self, rustls::Error> {
        Ok(Self { policy, tls: Arc::new(connect::tls_config()?) })
    }

    /// The names of the models that a key may use.
    pub async fn models(&self, provider: &ProviderSpec, secret: &Secret) -> Result<Vec<String>, UpstreamError> {
        let call = models::list(self, provider, secret);
        // Boxed: the state of a TLS connection is large.
        tokio::time::timeout(WITHIN, Box::pin(call)).await.map_err(|_| UpstreamError::Timeout)?
    }
}
