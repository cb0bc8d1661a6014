//! What a request is known by when it comes again.

use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{body, path};

/// Headers that name a request of which nothing is signed; the first one that is there counts. `Idempotency-Key` is an
/// IETF draft, `webhook-id` that of Standard Webhooks, the others are those of GitHub, Gitea, Forgejo, Gogs, GitLab and
/// Bitbucket.
pub const UNSIGNED: [&str; 8] = [
    "idempotency-key",
    "webhook-id",
    "x-github-delivery",
    "x-gitea-delivery",
    "x-forgejo-delivery",
    "x-gogs-delivery",
    "x-gitlab-event-uuid",
    "x-request-uuid",
];
/// The longest name.
const LONGEST: usize = 255;

/// A header with the name of a request is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header {header} must be there once, with 1 to {LONGEST} visible ASCII characters")]
pub struct InvalidDeliveryId {
    header: &'static str,
}

/// What a request is known by. Each text covers the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKey {
    /// A name of which the sender has signed that it belongs to this content.
    Signed(String),
    /// A name that anybody can give to a content.
    Unsigned {
        /// The name.
        name: String,
        /// The digest of the content.
        content: String,
    },
    /// A name that anybody can give to a content that is signed.
    Named {
        /// The name.
        name: String,
        /// What is signed.
        signed: String,
    },
}

impl RequestKey {
    /// Of a request of which nothing is signed. `query`: as much of it as its event has.
    ///
    /// # Errors
    /// When a header that names it is there twice, or is not a valid name.
    pub fn of_unsigned<'a>(
        headers: &HeaderMap,
        path: &str,
        query: impl IntoIterator<Item = &'a (String, String)>,
        body: &[u8],
    ) -> Result<Option<Self>, InvalidDeliveryId> {
        let Some(name) = id(headers)? else { return Ok(None) };
        Ok(Some(Self::Unsigned { name: at(&name, path, ""), content: content(query, body) }))
    }
}

/// The name of a request of which nothing is signed, with its header: two senders may use the same words.
///
/// # Errors
/// When a header that names it is there twice, or is not a valid name.
pub fn id(headers: &HeaderMap) -> Result<Option<String>, InvalidDeliveryId> {
    named(&UNSIGNED, headers)
}

/// The name in the first of these headers that is there.
pub(crate) fn named(
    names: &[&'static str],
    headers: &HeaderMap,
) -> Result<Option<String>, InvalidDeliveryId> {
    // Most requests have none: to look at the few names that are there costs less than to look eight up.
    if !headers.keys().any(|header| names.contains(&header.as_str())) {
        return Ok(None);
    }
    for &header in names {
        let mut values = headers.get_all(header).iter();
        let Some(value) = values.next() else { continue };
        let text = value.to_str().map(str::trim).unwrap_or_default();
        if values.next().is_some() || text.is_empty() || text.len() > LONGEST {
            return Err(InvalidDeliveryId { header });
        }
        return Ok(Some(format!("{header}:{text}")));
    }
    Ok(None)
}

/// A name, for a path and a hook.
pub(crate) fn at(name: &str, path: &str, hook: &str) -> String {
    let path = path::decoded(path);
    format!("{name}@{}", digest(&[path.as_bytes(), hook.as_bytes()]))
}

/// A digest of what a request holds: its body, and the parameters in its query, in whatever order and writing. Without
/// a query that of the body alone, as stores of earlier versions have it.
fn content<'a>(query: impl IntoIterator<Item = &'a (String, String)>, body: &[u8]) -> String {
    let pairs: Vec<(String, String)> = query.into_iter().cloned().collect();
    if pairs.is_empty() {
        return digest(&[body]);
    }
    let mut params = body::query(&pairs);
    params.sort_keys();
    digest(&[Value::Object(params).to_string().as_bytes(), body])
}

/// A digest of these, one after the other.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn names_of_requests() {
        let long = "x".repeat(256);
        for (given, expected) in [
            (vec![], Ok(None)),
            (vec![("content-type", "application/json")], Ok(None)),
            (vec![("idempotency-key", " a b ")], Ok(Some("idempotency-key:a b"))),
            (vec![("x-github-delivery", "d1")], Ok(Some("x-github-delivery:d1"))),
            // Gitea sends those of GitHub and Gogs as well: the order decides, always in the same way.
            (vec![("x-gitea-delivery", "g"), ("x-github-delivery", "g")], Ok(Some("x-github-delivery:g"))),
            (vec![("webhook-id", "w"), ("idempotency-key", "i")], Ok(Some("idempotency-key:i"))),
            (vec![("idempotency-key", "")], Err(())),
            (vec![("idempotency-key", "a"), ("idempotency-key", "b")], Err(())),
            (vec![("webhook-id", long.as_str())], Err(())),
        ] {
            let found = id(&headers(&given)).map_err(|_| ());
            assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{given:?}");
        }
    }

    #[test]
    fn the_path_belongs_to_the_name_however_it_is_written() {
        let key = |path: &str, body: &[u8]| {
            let headers = headers(&[("idempotency-key", "i")]);
            RequestKey::of_unsigned(&headers, path, &[], body).unwrap().unwrap()
        };
        assert_eq!(key("/a", b"{}"), key("/%61", b"{}"));
        assert_ne!(key("/a", b"{}"), key("/b", b"{}"));
        let names = [key("/a", b"{}"), key("/a", b"[]")].map(|key| match key {
            RequestKey::Unsigned { name, content } => (name, content),
            other => panic!("{other:?}"),
        });
        assert!(names[0].0 == names[1].0 && names[0].1 != names[1].1, "{names:?}");
    }

    #[test]
    fn the_query_belongs_to_the_content() {
        let key = |query: &str, body: &[u8]| {
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let headers = headers(&[("webhook-id", "i")]);
            RequestKey::of_unsigned(&headers, "/", &pairs, body).unwrap()
        };
        for (one, other, same) in [
            (("a=1", ""), ("a=1", ""), true),
            (("a=1", ""), ("a=2", ""), false),
            (("a=1", ""), ("", ""), false),
            (("a=1", ""), ("a=1&b=2", ""), false),
            (("a=1&b=2", ""), ("b=2&a=%31", ""), true),
            (("a=1&a=2", ""), ("a=2&a=1", ""), false),
            (("a=1", "{}"), ("a=1", "[]"), false),
            (("a=1", "{}"), ("a=1", "{}"), true),
            (("", "{}"), ("", "{}"), true),
            // JSON and Base64 of it.
            ((r#"d={"x":1}"#, ""), ("d=eyJ4IjoxfQ==", ""), true),
            ((r#"d={"x":1}"#, ""), (r#"d={"x":2}"#, ""), false),
            ((r#"d={"x":1}"#, ""), ("d=eyJ4IjoxfQ==&x=2", ""), false),
        ] {
            let same_key = key(one.0, one.1.as_bytes()) == key(other.0, other.1.as_bytes());
            assert_eq!(same_key, same, "{one:?} {other:?}");
        }
    }
}
