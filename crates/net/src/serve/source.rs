//! Where connections come from, as far as they are counted together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ConnectionSource {
    /// This address.
    V4(Ipv4Addr),
    /// This network of 64 bits: one who has an address of it usually has all.
    V6([u8; 8]),
    /// A process of this user, on a unix socket.
    User(u32),
    /// Unknown.
    Unknown,
}

impl ConnectionSource {
    pub(super) fn of(address: Option<SocketAddr>, uid: Option<u32>) -> Self {
        match (address.map(|address| address.ip().to_canonical()), uid) {
            (Some(IpAddr::V4(address)), _) => Self::V4(address),
            (Some(IpAddr::V6(address)), _) => {
                let [network, _] = *address.octets().as_chunks::<8>().0 else { return Self::Unknown };
                Self::V6(network)
            }
            (None, Some(uid)) => Self::User(uid),
            (None, None) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let of = |text: &str| ConnectionSource::of(Some(text.parse().unwrap()), None);
        assert_eq!(of("10.0.0.1:1"), of("10.0.0.1:2"));
        assert_eq!(of("[::ffff:10.0.0.1]:1"), of("10.0.0.1:2"));
        assert_ne!(of("10.0.0.1:1"), of("10.0.0.2:1"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::2:0:0:1]:1"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_ne!(ConnectionSource::of(None, Some(1)), ConnectionSource::of(None, Some(2)));
        assert_eq!(ConnectionSource::of(None, None), ConnectionSource::Unknown);
    }
}
