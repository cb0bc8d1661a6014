//! Whether others can read a request on its way.

use http::HeaderMap;

/// Says of a request through a proxy how the browser sent it.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// What a request has that came through a proxy, which can be on this machine while the browser is not.
const FORWARDED: [&str; 4] = [FORWARDED_PROTO, "x-forwarded-for", "x-forwarded-host", "forwarded"];

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub struct RequestWay {
    /// Whether the listener can be reached from this machine only.
    pub is_local: bool,
    /// Whether it was encrypted for the listener.
    pub has_tls: bool,
    /// Whether a proxy that is trusted sent it.
    pub is_proxied: bool,
}

impl RequestWay {
    /// Whether nobody between the browser and the daemon can read what is sent.
    #[must_use]
    pub fn is_private(self, headers: &HeaderMap) -> bool {
        if self.has_tls {
            return true;
        }
        match FORWARDED.iter().any(|name| headers.contains_key(*name)) {
            true => {
                let is_https = headers.get(FORWARDED_PROTO).is_some_and(|scheme| scheme == "https");
                is_https && (self.is_local || self.is_proxied)
            }
            false => self.is_local,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn who_could_read_a_password() {
        let (local, proxied, tls) = ("local", "proxied", "tls");
        for (way, headers, expected) in [
            (&[local][..], &[][..], true),
            (&[], &[], false),
            (&[proxied], &[], false),
            (&[tls], &[("x-forwarded-proto", "http")], true),
            (&[proxied], &[("x-forwarded-proto", "https")], true),
            (&[], &[("x-forwarded-proto", "https")], false),
            // A proxy on this machine, for browsers that are elsewhere.
            (&[local], &[("x-forwarded-proto", "http")], false),
            (&[local], &[("x-forwarded-for", "10.1.1.1")], false),
            (&[local], &[("forwarded", "for=10.1.1.1")], false),
            (&[local, proxied], &[("x-forwarded-for", "10.1.1.1"), ("x-forwarded-proto", "http")], false),
            (&[local, proxied], &[("x-forwarded-for", "10.1.1.1"), ("x-forwarded-proto", "https")], true),
        ] {
            let of = |name| way.contains(&name);
            let way = RequestWay { is_local: of(local), has_tls: of(tls), is_proxied: of(proxied) };
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(way.is_private(&map), expected, "{way:?} {headers:?}");
        }
    }
}
