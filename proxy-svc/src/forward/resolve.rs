//! Host names of upstreams → checked addresses.
//!
//! Every address is held against the [`AddressPolicy`] after resolution, and the connection goes to the address that
//! was checked, so that a name cannot lead inside. Answers are kept; a request waits for the network only the first
//! time, later ones are refreshed beside it.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use tollgate_shared::address::AddressPolicy;

use crate::snapshot::BaseUrl;

/// Asked again after this, beside the requests, which go on with the addresses known.
const FRESH: Duration = Duration::from_secs(30);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("the host name does not resolve")]
    NotFound,
    #[error("the host's address is not public and not in the list of allowed networks")]
    Forbidden,
    #[error("plain http is allowed only to listed networks")]
    PlainHttp,
}

/// Resolves and remembers.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Inner>);

struct Inner {
    policy: AddressPolicy,
    known: Mutex<HashMap<Box<str>, Known>>,
    refreshes: TaskTracker,
}

struct Known {
    addresses: Arc<[IpAddr]>,
    since: Instant,
}

impl Resolver {
    /// `refreshes` owns the look-ups that run beside the requests.
    pub(crate) fn new(policy: AddressPolicy, refreshes: TaskTracker) -> Self {
        Self(Arc::new(Inner { policy, known: Mutex::default(), refreshes }))
    }

    /// One of the host's addresses, by chance.
    pub(crate) async fn resolve(&self, base: &BaseUrl) -> Result<SocketAddr, ResolveError> {
        let literal = base.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let address = match literal {
            Ok(address) => self.0.check(address, base.https).map(|()| address)?,
            Err(_) => self.by_name(base).await?,
        };
        Ok(SocketAddr::new(address, base.port))
    }

    async fn by_name(&self, base: &BaseUrl) -> Result<IpAddr, ResolveError> {
        let addresses = match self.remembered(&base.host) {
            Some(addresses) => addresses,
            None => self.0.look_up(&base.host).await?,
        };
        let mut refused = ResolveError::NotFound;
        let start = fastrand::usize(..addresses.len().max(1));
        for offset in 0..addresses.len() {
            let address = addresses[(start + offset) % addresses.len()];
            match self.0.check(address, base.https) {
                Ok(()) => return Ok(address),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn remembered(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let mut known = self.0.known.lock();
        let entry = known.get_mut(host)?;
        if entry.since.elapsed() > FRESH {
            entry.since = Instant::now();
            let (inner, host) = (Arc::clone(&self.0), host.to_owned());
            self.0.refreshes.spawn(async move {
                if let Err(error) = inner.look_up(&host).await {
                    tracing::warn!(host, %error, "upstream host could not be resolved again");
                }
            });
        }
        Some(Arc::clone(&entry.addresses))
    }
}

impl Inner {
    fn check(&self, address: IpAddr, https: bool) -> Result<(), ResolveError> {
        if !self.policy.permits(address) {
            return Err(ResolveError::Forbidden);
        }
        if !https && !self.policy.lists(address) {
            return Err(ResolveError::PlainHttp);
        }
        Ok(())
    }

    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, ResolveError> {
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0)))
            .await
            .map_err(|_| ResolveError::NotFound)?
            .map_err(|_| ResolveError::NotFound)?;
        let addresses: Arc<[IpAddr]> = found.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(ResolveError::NotFound);
        }
        let entry = Known { addresses: Arc::clone(&addresses), since: Instant::now() };
        self.known.lock().insert(host.into(), entry);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(host: &str, https: bool) -> BaseUrl {
        let scheme = if https { "https" } else { "http" };
        format!("{scheme}://{host}").parse().unwrap()
    }

    fn resolver(networks: &str) -> Resolver {
        Resolver::new(AddressPolicy::parse(networks).unwrap(), TaskTracker::new())
    }

    #[tokio::test]
    async fn inner_addresses_need_to_be_listed() {
        assert!(matches!(resolver("").resolve(&base("127.0.0.1", true)).await, Err(ResolveError::Forbidden)));
        assert!(matches!(resolver("").resolve(&base("[::1]", true)).await, Err(ResolveError::Forbidden)));
        let address = resolver("127.0.0.0/8").resolve(&base("127.0.0.1:81", false)).await.unwrap();
        assert_eq!(address, "127.0.0.1:81".parse().unwrap());
    }

    #[tokio::test]
    async fn plain_http_needs_a_listed_network() {
        assert!(matches!(resolver("").resolve(&base("1.1.1.1", false)).await, Err(ResolveError::PlainHttp)));
        assert!(resolver("").resolve(&base("1.1.1.1", true)).await.is_ok());
    }

    #[tokio::test]
    async fn names_are_checked_by_the_address_they_lead_to() {
        assert!(matches!(resolver("").resolve(&base("localhost", true)).await, Err(ResolveError::Forbidden)));
        assert!(resolver("127.0.0.0/8, ::1/128").resolve(&base("localhost", false)).await.is_ok());
    }
}
