//! Which hosts are this machine.

use std::net::IpAddr;

/// Whether what is sent to this host, a name or an address, never leaves this machine. `localhost` and what is below
/// it always mean this machine (RFC 6761).
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let (before, end) = host.split_at_checked(host.len().saturating_sub(9)).unwrap_or_default();
    end.eq_ignore_ascii_case("localhost") && (before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_this_machine() {
        for (host, stays) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("app.localhost", true),
            ("notlocalhost", false),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.0.2.1", false),
            ("localhost.example.com", false),
            ("ŝost", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), stays, "{host}");
        }
    }
}
