//! Which `Host` a request may name.
//!
//! A web page can make a browser send requests to a port of this machine under a name of the page's own (DNS
//! rebinding). Such a request bears that name in `Host`, which is how it is known.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::{Request, Version};

use crate::loopback::is_loopback;

/// The hosts that requests to a loopback listener may name, besides those that mean loopback.
#[derive(Debug, Clone, Default)]
pub struct HostRule {
    names: Vec<String>,
}

/// A request does not name a host that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It has no `Host`, or several, though its version of HTTP asks for one.
    #[error("exactly one Host header is required")]
    Missing,
    /// It names a host that is not allowed.
    #[error("this Host is not allowed")]
    NotAllowed,
}

impl HostRule {
    /// Allows these names or addresses, with any port.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().filter(|name| is_host(name));
        Self { names: names.map(|name| plain(name).to_ascii_lowercase()).collect() }
    }

    /// Checks what a request names, in its target and in `Host`.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), HostError> {
        if let Some(authority) = request.uri().authority() {
            self.check_name(authority.as_str())?;
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.check_name(host.to_str().map_err(|_| HostError::NotAllowed)?),
            (None, _) if request.version() < Version::HTTP_11 => Ok(()),
            _ => Err(HostError::Missing),
        }
    }

    fn check_name(&self, named: &str) -> Result<(), HostError> {
        let host = plain(named);
        let allowed = is_loopback(host) || self.names.iter().any(|name| name.eq_ignore_ascii_case(host));
        if allowed { Ok(()) } else { Err(HostError::NotAllowed) }
    }
}

/// Whether the `Host` of a request may hold this: a name or an address, with or without a port. Not the empty text,
/// which requests send for an address without a host.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let host = plain(text);
    let is_name =
        |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    !host.is_empty() && (is_name(host) || host.parse::<Ipv6Addr>().is_ok())
}

/// A host without its port, its brackets and a final dot.
fn plain(named: &str) -> &str {
    let host = if let Some(rest) = named.strip_prefix('[') {
        match rest.split_once(']') {
            Some((host, port)) if port.is_empty() || is_port(port) => host,
            _ => named,
        }
    } else {
        match named.find(':') {
            // More than one colon: an IPv6 address without brackets, which has no port.
            Some(at) if is_port(&named[at..]) => &named[..at],
            _ => named,
        }
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let rule = HostRule::new(["Herald.example.com", "192.0.2.7:8123", "[2001:db8::1]", "2001:db8::2"]);
        for (host, allowed) in [
            ("localhost", true),
            ("LOCALHOST:8123", true),
            ("localhost.:80", true),
            ("app.localhost", true),
            ("127.0.0.1:8123", true),
            ("127.9.9.9", true),
            ("[::1]:8123", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("herald.example.com:9", true),
            ("HERALD.EXAMPLE.COM", true),
            ("192.0.2.7", true),
            ("192.0.2.7:1", true),
            ("[2001:db8::1]:5", true),
            ("[2001:DB8::2]:5", true),
            ("evil.example.com", false),
            ("evil.example.com:8123", false),
            ("localhost.evil.com", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.com", false),
            ("localhost:evil", false),
            ("[::1]evil", false),
            ("[::2]", false),
            ("0.0.0.0", false),
            ("2130706433", false),
            ("", false),
            ("é", false),
        ] {
            assert_eq!(rule.check_name(host).is_ok(), allowed, "{host}");
        }
    }

    #[test]
    fn what_no_request_names_allows_nothing() {
        let texts = ["", " ", ":80", ".", "[]", "http://x", "x/", "*.x", "a, b", "x:y", "é"];
        let rule = HostRule::new(texts);
        for text in texts {
            assert!(!is_host(text) && rule.check_name(text).is_err(), "{text:?}");
        }
        let names = ["x", "x.example:8443", "a_b-c.", "10.0.0.1", "::1", "[::1]:80", "[2001:db8::2]"];
        assert!(names.into_iter().all(is_host));
    }

    #[test]
    fn requests() {
        let rule = HostRule::default();
        let request = |version: Version, target: &str, hosts: &[&str]| {
            let mut request = Request::builder().version(version).uri(target);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            request.body(()).unwrap()
        };
        for (version, target, hosts, says) in [
            (Version::HTTP_11, "/", &["localhost"][..], Ok(())),
            (Version::HTTP_11, "/", &[][..], Err(HostError::Missing)),
            (Version::HTTP_10, "/", &[][..], Ok(())),
            (Version::HTTP_11, "/", &["localhost", "localhost"][..], Err(HostError::Missing)),
            (Version::HTTP_11, "/", &["evil.com"][..], Err(HostError::NotAllowed)),
            (Version::HTTP_11, "http://evil.com/", &["localhost"][..], Err(HostError::NotAllowed)),
            (Version::HTTP_11, "http://localhost/", &["localhost"][..], Ok(())),
        ] {
            assert_eq!(rule.check(&request(version, target, hosts)), says, "{target} {hosts:?}");
        }
    }
}
