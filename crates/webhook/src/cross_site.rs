//! Requests that a web page of another site made a browser send.

use http::HeaderMap;

/// Whether a web page of another site made a browser send the request: a page can do that to any address that the
/// browser reaches, with GET, a form or text. Browsers say so; programs say nothing of the kind.
#[must_use]
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    let texts =
        |name: &'static str| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    if headers.contains_key("sec-fetch-site") {
        return !texts("sec-fetch-site").all(|site| matches!(site, "same-origin" | "none"));
    }
    let is_own = |origin: &str| {
        origin
            .split_once("://")
            .is_some_and(|(_, own)| texts("host").count() == 1 && texts("host").all(|host| host == own))
    };
    !texts("origin").all(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn what_web_pages_send() {
        for (given, cross) in [
            (&[][..], false),
            (&[("host", "127.0.0.1:8123")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://x")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://evil.example.com"), ("host", "127.0.0.1:8123")], true),
            (&[("origin", "http://127.0.0.1:8123"), ("host", "127.0.0.1:8123")], false),
            (&[("origin", "null"), ("host", "127.0.0.1:8123")], true),
            (&[("origin", "null")], true),
            // Each value counts, not the first one alone.
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "http://a"), ("origin", "http://evil"), ("host", "a")], true),
            (&[("origin", "http://a"), ("origin", "http://a"), ("host", "a")], false),
            (&[("origin", "http://a"), ("host", "a"), ("host", "evil")], true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_cross_site(&headers), cross, "{given:?}");
        }
    }
}
