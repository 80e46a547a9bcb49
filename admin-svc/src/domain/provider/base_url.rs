//! Which base URLs a provider may have.
//!
//! Addresses are checked here when they stand in the URL; a host name's addresses are checked by whoever connects, at
//! that moment, because they may change.

use std::net::{IpAddr, Ipv4Addr};

use tollgate_shared::address::AddressPolicy;
use url::{Host, Url};

const LONGEST: usize = 2_048;

/// The URL in its normal form, without a slash at the end; or what is wrong with it.
pub(super) fn normalised(text: &str, policy: &AddressPolicy) -> Result<String, &'static str> {
    if text.len() > LONGEST {
        return Err("must not be longer than 2048 characters");
    }
    let url = Url::parse(text).map_err(|_| "must be a URL, such as https://api.openai.com")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must start with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment");
    }
    if url.port() == Some(0) {
        return Err("must not have port 0");
    }
    check_host(&url, policy)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn check_host(url: &Url, policy: &AddressPolicy) -> Result<(), &'static str> {
    let is_plain = url.scheme() == "http";
    let address = match url.host().ok_or("must name a host")? {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(name) if is_localhost(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // Plain HTTP needs a listed network; without any, no address of the name can be in one.
        Host::Domain(_) if is_plain && *policy == AddressPolicy::default() => return Err(PLAIN_REFUSED),
        Host::Domain(_) => return Ok(()),
    };
    if is_plain && !policy.lists(address) {
        return Err(PLAIN_REFUSED);
    }
    if !policy.permits(address) {
        return Err(
            "must not be a private, loopback or link-local address, unless TOLLGATE_UPSTREAM_ALLOW_CIDRS lists it",
        );
    }
    Ok(())
}

const PLAIN_REFUSED: &str = "must start with https://, unless TOLLGATE_UPSTREAM_ALLOW_CIDRS lists the address";

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, networks: &str) -> Result<String, &'static str> {
        normalised(url, &AddressPolicy::parse(networks).unwrap())
    }

    #[test]
    fn origins_and_paths_are_normalised() {
        for (url, normal) in [
            ("https://api.openai.com", "https://api.openai.com"),
            ("https://API.openai.com:443/", "https://api.openai.com"),
            ("https://example.com/compatible-mode/v1/", "https://example.com/compatible-mode/v1"),
            ("https://1.1.1.1:8443", "https://1.1.1.1:8443"),
        ] {
            assert_eq!(check(url, "").unwrap(), normal);
        }
    }

    #[test]
    fn what_is_no_public_origin_is_refused() {
        for url in [
            "",
            "api.openai.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user:pass@example.com",
            "https://user@example.com",
            "https://example.com?x=1",
            "https://example.com/#x",
            "http://api.openai.com",
            "http://127.0.0.1",
            "https://127.0.0.1",
            "https://2130706433",
            "https://0x7f.1",
            "https://[::1]",
            "https://[::ffff:10.0.0.1]",
            "https://169.254.169.254/latest",
            "https://localhost",
            "https://api.localhost.",
        ] {
            assert!(check(url, "").is_err(), "{url}");
        }
    }

    #[test]
    fn listed_networks_may_be_local_and_plain() {
        assert!(check("http://127.0.0.1:9900", "127.0.0.0/8").is_ok());
        assert!(check("http://localhost:9900", "127.0.0.0/8").is_ok());
        assert!(check("http://provider.internal:9900", "10.0.0.0/8").is_ok());
        assert!(check("https://10.0.0.1", "10.0.0.0/8").is_ok());
        assert!(check("http://10.0.0.1", "127.0.0.0/8").is_err());
        assert!(check("http://1.1.1.1", "127.0.0.0/8").is_err());
    }
}
