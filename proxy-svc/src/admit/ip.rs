//! Allow and deny lists of addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv4 client on a dual-stack socket counts as IPv4.
pub(super) fn listed(networks: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    networks.iter().any(|network| network.contains(&client))
}

/// An empty allow list lets everyone in.
pub(super) fn listed_or_empty(networks: &[IpNet], client: IpAddr) -> bool {
    networks.is_empty() || listed(networks, client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_match_their_ipv4_network() {
        let networks = ["10.0.0.0/8".parse().unwrap()];
        assert!(listed(&networks, "::ffff:10.1.2.3".parse().unwrap()));
        assert!(listed(&networks, "10.1.2.3".parse().unwrap()));
        assert!(!listed(&networks, "11.1.2.3".parse().unwrap()));
        assert!(listed_or_empty(&[], "11.1.2.3".parse().unwrap()));
    }
}
