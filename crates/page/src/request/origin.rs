//! Whether a request that does something came from a page of this site.

use http::{HeaderMap, header};

/// The addresses that are the page's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAddress {
    /// The configured one, such as `https://ops.example.com`.
    pub origin: Option<String>,
    /// Whether the listener speaks TLS.
    pub has_tls: bool,
}

/// Whether the request was sent by a page of this site, or not by a web page at all. One that a session cookie proves
/// must say where it comes from, since browsers add the cookie by themselves.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, own: &OwnAddress, by_cookie: bool) -> bool {
    let texts = |name: &'static str| -> Vec<&str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
    };
    let sites = texts("sec-fetch-site");
    if !sites.is_empty() {
        return sites.iter().all(|site| matches!(*site, "same-origin" | "none"));
    }
    let hosts = texts(header::HOST.as_str());
    let is_own = |origin: &&str| {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let is_listener =
            hosts.as_slice() == [host] && (scheme == "https" || (scheme == "http" && !own.has_tls));
        is_listener || own.origin.as_deref() == Some(*origin)
    };
    let origins = texts(header::ORIGIN.as_str());
    origins.iter().all(is_own) && (!by_cookie || !origins.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn requests_of_other_sites_are_found() {
        let host = ("host", "127.0.0.1:8125");
        for (given, origin, has_tls, by_cookie, same) in [
            (&[host][..], None, false, false, true),
            (&[host], None, false, true, false),
            (&[host, ("sec-fetch-site", "same-origin")], None, false, true, true),
            (&[host, ("sec-fetch-site", "none")], None, false, true, true),
            (&[host, ("sec-fetch-site", "same-site")], None, false, true, false),
            (&[host, ("sec-fetch-site", "cross-site")], None, false, false, false),
            (&[host, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], None, false, true, false),
            (&[host, ("origin", "http://127.0.0.1:8125")], None, false, true, true),
            (&[host, ("origin", "http://127.0.0.1:8125")], None, true, true, false),
            (&[host, ("origin", "https://127.0.0.1:8125")], None, true, true, true),
            (&[host, ("origin", "http://127.0.0.1:8126")], None, false, true, false),
            (&[host, ("origin", "https://evil.example.com")], None, false, false, false),
            (&[host, ("origin", "null")], None, false, true, false),
            (
                &[host, ("origin", "https://ops.example.com")],
                Some("https://ops.example.com"),
                false,
                true,
                true,
            ),
            (
                &[host, ("origin", "http://ops.example.com")],
                Some("https://ops.example.com"),
                false,
                true,
                false,
            ),
            (
                &[host, ("origin", "http://127.0.0.1:8125"), ("origin", "http://evil")],
                None,
                false,
                true,
                false,
            ),
            (&[host, ("host", "evil"), ("origin", "http://evil")], None, false, true, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let own = OwnAddress { origin: origin.map(str::to_owned), has_tls };
            assert_eq!(is_same_origin(&headers, &own, by_cookie), same, "{given:?} {own:?} {by_cookie}");
        }
    }
}
