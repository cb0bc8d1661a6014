//! The description of a request, as a parameter.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_base::secret_name::is_secret_name;
use herald_base::value::Params;
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

use crate::body::gathered;

/// The default headers in it: what a request is, and what webhook senders say about theirs.
const DEFAULT_HEADERS: [&str; 18] = [
    "content-type",
    "user-agent",
    "x-github-event",
    "x-github-delivery",
    "x-gitlab-event",
    "x-gitlab-event-uuid",
    "x-gitlab-instance",
    "x-gitea-event",
    "x-gitea-delivery",
    "x-forgejo-event",
    "x-forgejo-delivery",
    "x-gogs-event",
    "x-gogs-delivery",
    "x-event-key",
    "x-request-uuid",
    "webhook-id",
    "webhook-timestamp",
    "x-slack-request-timestamp",
];
/// What `*` leaves out: these prove who somebody is.
const PRIVATE: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The name of a header is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a header")]
pub struct HeaderNameError(String);

/// Which headers are in it.
#[derive(Debug, Clone, Default)]
pub enum Headers {
    /// What a request is, and what web hook senders say about theirs.
    #[default]
    Usual,
    /// All but those that prove who sent it.
    All,
    /// These.
    Named(Vec<HeaderName>),
}

impl Headers {
    /// Reads a list of names; `*` means all.
    ///
    /// # Errors
    /// When a name is not valid.
    pub fn read(names: &[String]) -> Result<Self, HeaderNameError> {
        if names.iter().any(|name| name == "*") {
            return Ok(Self::All);
        }
        let read = |name: &String| {
            let read = HeaderName::try_from(name.as_str());
            read.map_err(|_| HeaderNameError(name.clone()))
        };
        Ok(Self::Named(names.iter().map(read).collect::<Result<_, _>>()?))
    }

    fn chosen(&self, headers: &HeaderMap) -> Params {
        let wanted = |name: &HeaderName| match self {
            Self::Usual => DEFAULT_HEADERS.contains(&name.as_str()),
            Self::All => !PRIVATE.contains(&name.as_str()) && !is_secret_name(name.as_str()),
            Self::Named(names) => names.contains(name),
        };
        let pairs = headers.iter().filter(|(name, _)| wanted(name));
        gathered(
            pairs.map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            }),
        )
    }
}

/// The parts of a request that are described.
pub struct RequestDescription<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path.
    pub path: &'a str,
    /// Names and values of the query, decoded.
    pub query: &'a [(String, String)],
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The address of the client.
    pub client: IpAddr,
    /// Where it is to be kept.
    pub body: Option<&'a [u8]>,
    /// The name of this node, where it has one.
    pub node: Option<&'a str>,
}

impl RequestDescription<'_> {
    /// As a parameter. A body that is not text is given in Base64, as `body_base64`.
    #[must_use]
    pub fn param(&self, headers: &Headers) -> Value {
        let mut param = json!({
            "method": self.method.as_str(),
            "path": self.path,
            "query": gathered(self.query.iter().cloned()),
            "headers": headers.chosen(self.headers),
            "remote_address": self.client.to_string(),
        });
        if let Some(body) = self.body {
            match std::str::from_utf8(body) {
                Ok(text) => param["body"] = Value::from(text),
                Err(_) => param["body_base64"] = Value::from(STANDARD.encode(body)),
            }
        }
        if let Some(node) = self.node {
            param["node"] = Value::from(node);
        }
        param
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn headers_are_chosen() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("x-github-event", "push"),
            ("x-own", "1"),
            ("x-own", "2"),
            ("authorization", "Bearer x"),
            ("x-gitlab-token", "t"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let names =
            |list: &[&str]| Headers::read(&list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        for (chosen, expected) in [
            (Headers::Usual, json!({"content-type": "text/plain", "x-github-event": "push"})),
            (names(&["X-Own", "Authorization"]), json!({"x-own": ["1", "2"], "authorization": "Bearer x"})),
            (
                names(&["*"]),
                json!({"content-type": "text/plain", "x-github-event": "push", "x-own": ["1", "2"]}),
            ),
        ] {
            assert_eq!(Value::Object(chosen.chosen(&headers)), expected, "{chosen:?}");
        }
        assert!(Headers::read(&["a b".to_owned()]).is_err());
    }
}
