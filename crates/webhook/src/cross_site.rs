//! Requests that a web page of another site made a browser send.

use http::HeaderMap;

/// Whether a web page of another site made a browser send the request: a page can do that to any address that the
/// browser reaches, with GET, a form or text. Browsers say so; programs say nothing of the kind.
#[must_use]
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != text("host"),
        (None, None) => false,
    }
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
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(is_cross_site(&headers), cross, "{given:?}");
        }
    }
}
