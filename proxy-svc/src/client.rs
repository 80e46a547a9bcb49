//! Who a client is: its address, also where balancers and proxies stand in between. Everything that asks for a
//! client's address is given this one.
//!
//! What a request says of its own origin is believed of addresses that an operator listed, and of nobody else.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

pub(crate) mod proxy_protocol;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The networks whose word on who called is taken (`TOLLGATE_PROXY_TRUSTED_PROXIES`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Why a list of networks is not usable.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a network in CIDR notation")]
pub struct InvalidNetwork(String);

/// Who made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Absent where the socket has none, which no listener of ours leads to.
    pub(crate) address: Option<IpAddr>,
    /// The connection is a trusted proxy's and carries requests of others too.
    pub(crate) shares_connection: bool,
}

impl TrustedProxies {
    /// `networks`: comma-separated, CIDR notation or single addresses; blanks are ignored.
    pub fn parse(networks: &str) -> Result<Self, InvalidNetwork> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).map_err(|_| InvalidNetwork(text.to_owned()))
        };
        let networks = networks.split(',').map(str::trim).filter(|text| !text.is_empty());
        Ok(Self(networks.map(network).collect::<Result<_, _>>()?))
    }

    /// An IPv4 address on a dual-stack socket counts as IPv4.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// `peer`: whose connection it is.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map(|peer| peer.to_canonical());
        match peer {
            Some(peer) if !self.0.is_empty() && self.trust(peer) => {
                Client { address: Some(self.behind(peer, headers)), shares_connection: true }
            }
            address => Client { address, shares_connection: false },
        }
    }

    /// From the right, which the nearest proxy wrote, on over the hops that are trusted: what stands left of the first
    /// other one is that one's own word. An entry that is no address ends the walk at the hop that passed it on.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev().map(|line| line.to_str().unwrap_or("?"));
        let mut nearest = peer;
        for hop in lines.flat_map(|line| line.rsplit(',')).map(str::trim) {
            let Some(address) = parse_hop(hop) else { return nearest };
            nearest = address;
            if !self.trust(address) {
                break;
            }
        }
        nearest
    }
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = TrustedProxies::parse(trusted).unwrap();
        trusted.client(Some(peer.parse().unwrap()), &headers).address.unwrap().to_string()
    }

    #[test]
    fn header_of_a_stranger_is_not_believed() {
        assert_eq!(seen("", "192.0.2.9", &["10.0.0.1"]), "192.0.2.9");
        assert_eq!(seen("10.0.0.0/8", "192.0.2.9", &["10.0.0.1"]), "192.0.2.9");
    }

    #[test]
    fn walk_ends_at_the_first_hop_that_is_not_trusted() {
        let trusted = "10.0.0.0/8, fd00::/8, 203.0.113.7";
        for (lines, client) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            (&["198.51.100.1, 192.0.2.1, 10.9.9.9"], "192.0.2.1"),
            (&["198.51.100.1", "192.0.2.1", "203.0.113.7 , fd00::1"], "192.0.2.1"),
            (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::5]:4711, [fd00::1]"], "2001:db8::5"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["192.0.2.1,"], "10.0.0.1"),
        ] {
            assert_eq!(seen(trusted, "10.0.0.1", lines), client, "{lines:?}");
        }
        assert_eq!(seen(trusted, "::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn networks_must_be_networks() {
        assert!(TrustedProxies::parse("10.0.0.0/8,, ::1 ").is_ok());
        assert!(TrustedProxies::parse("loadbalancer").is_err());
    }

    proptest! {
        /// Whatever a client writes to the left of what a trusted proxy adds, it is known by what was added.
        #[test]
        fn forged_entries_change_nothing(forged in "[ -~]{0,60}") {
            let line = format!("{forged}, 192.0.2.1");
            prop_assert_eq!(seen("10.0.0.0/8", "10.0.0.1", &[&line]), "192.0.2.1");
        }
    }
}
