//! Where a request really comes from, and whether it may.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;

use herald_net::network::Network;
use herald_net::serve::Peer;

/// Who may call, and whose word counts about who calls.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// Everybody, when it is `None`.
    pub allowed: Option<Vec<Network>>,
    /// The proxies whose `X-Forwarded-For` counts.
    pub trusted: Vec<Network>,
}

impl Addresses {
    /// The address of the client: that of the connection, or what a trusted proxy says. On a unix socket it is this
    /// machine, and a proxy there is trusted where any is.
    #[must_use]
    pub fn client(&self, peer: &Peer, headers: &HeaderMap) -> IpAddr {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let direct = peer.client().unwrap_or(local);
        let is_trusted = |address: IpAddr| self.trusted.iter().any(|network| network.contains(address));
        if self.trusted.is_empty() || (peer.address.is_some() && !is_trusted(direct)) {
            return direct;
        }
        // Each proxy appends whom it got the request from: from the end on, the first that is not one of our proxies.
        let mut client = direct;
        for hop in forwarded(headers).rev() {
            let Some(address) = hop else { break };
            client = address;
            if !is_trusted(address) {
                break;
            }
        }
        client
    }

    /// Whether requests of this client are accepted.
    #[must_use]
    pub fn allow(&self, client: IpAddr) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|network| network.contains(client)))
    }
}

/// The addresses in `X-Forwarded-For`, in order; `None` for one that is none.
fn forwarded(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter();
    let hops: Vec<Option<IpAddr>> =
        values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(address)).collect();
    hops.into_iter()
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inner, _)| inner);
    let parsed = bare.parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| text.rsplit_once(':').and_then(|(host, _)| host.parse().ok()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn clients() {
        let networks =
            |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>();
        for (peer, trusted, forwarded, client) in [
            (Some("203.0.113.9:5"), &[][..], &["10.0.0.1"][..], "203.0.113.9"),
            (Some("203.0.113.9:5"), &["10.0.0.0/8"], &["192.0.2.1"], "203.0.113.9"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["192.0.2.1"], "192.0.2.1"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &[], "10.0.0.1"),
            // The client wrote the first one itself.
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["127.0.0.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["127.0.0.1", "192.0.2.1"], "192.0.2.1"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["192.0.2.1, unknown"], "10.0.0.1"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["10.0.0.3"], "10.0.0.3"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["[2001:db8::1]:99"], "2001:db8::1"),
            (Some("10.0.0.1:5"), &["10.0.0.0/8"], &["192.0.2.1:80"], "192.0.2.1"),
            (Some("[::ffff:10.0.0.1]:5"), &["10.0.0.0/8"], &["192.0.2.1"], "192.0.2.1"),
            (None, &[], &["192.0.2.1"], "127.0.0.1"),
            (None, &["10.0.0.0/8"], &["192.0.2.1"], "192.0.2.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
            }
            let addresses = Addresses { allowed: None, trusted: networks(trusted) };
            let peer = Peer::new(peer.map(|address| address.parse().unwrap()), false);
            assert_eq!(
                addresses.client(&peer, &headers),
                client.parse::<IpAddr>().unwrap(),
                "{peer:?} {forwarded:?}"
            );
        }
        let some = Addresses { allowed: Some(networks(&["192.0.2.0/24"])), trusted: Vec::new() };
        assert!(some.allow("192.0.2.5".parse().unwrap()) && !some.allow("192.0.3.5".parse().unwrap()));
        assert!(Addresses::default().allow("192.0.2.5".parse().unwrap()));
    }
}
