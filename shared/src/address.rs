//! Which addresses an upstream or a webhook may have (protection against server-side request forgery).
//!
//! Private, loopback, link-local, shared (CGNAT), unique-local, documentation, multicast and reserved addresses are
//! refused, also when they are wrapped in an IPv6 address (mapped, NAT64, 6to4), unless an operator listed their
//! network. Plain `http://` is refused except to listed networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What an operator allows beyond public addresses (`TOLLGATE_UPSTREAM_ALLOW_CIDRS`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
}

/// Why the list of networks is not usable.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a network in CIDR notation")]
pub struct InvalidNetwork(String);

impl AddressPolicy {
    /// `networks`: comma-separated, CIDR notation; blanks are ignored.
    pub fn parse(networks: &str) -> Result<Self, InvalidNetwork> {
        let allowed = networks
            .split(',')
            .map(str::trim)
            .filter(|network| !network.is_empty())
            .map(|network| network.parse().map_err(|_| InvalidNetwork(network.to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self { allowed })
    }

    /// Whether a connection to this address may be opened.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.lists(address) || is_public(address)
    }

    /// Whether an operator listed this address; plain `http://` needs that.
    pub fn lists(&self, address: IpAddr) -> bool {
        let unwrapped = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        self.allowed.iter().any(|network| network.contains(&unwrapped))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// Only global unicast (`2000::/3`) can be public; the rest of it is taken apart.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    match segments {
        // NAT64's well-known prefix and 6to4 carry an IPv4 address that some host on the way unwraps.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and documentation.
        [0x2001, 0 | 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &str, address: &str) -> bool {
        AddressPolicy::parse(policy).unwrap().permits(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_permitted() {
        for address in ["1.1.1.1", "104.18.6.192", "2606:4700::6812:6c0", "64:ff9b::1.1.1.1", "::ffff:8.8.8.8"] {
            assert!(permits("", address), "{address}");
        }
    }

    #[test]
    fn inner_addresses_are_refused_in_every_wrapping() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!permits("", address), "{address}");
        }
    }

    #[test]
    fn listed_networks_are_permitted() {
        assert!(permits("127.0.0.0/8, fd00::/8", "127.0.0.1"));
        assert!(permits("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(permits("127.0.0.0/8,fd00::/8", "fd00::1"));
        assert!(!permits("127.0.0.0/8", "10.0.0.1"));
        assert!(AddressPolicy::parse("localhost").is_err());
    }
}
