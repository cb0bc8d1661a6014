//! What the sender of a request calls it, so that the same one is known when it comes again.

use http::HeaderMap;

/// Headers that name a request; the first one that is there counts. `Idempotency-Key` is an IETF draft, `webhook-id`
/// that of Standard Webhooks, the others are those of GitHub, Gitea, Forgejo, Gogs, GitLab and Bitbucket.
const HEADERS: [&str; 8] = [
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

/// The name of the request, with its header: two senders may use the same words.
///
/// # Errors
/// When a header that names it is there twice, or is not a valid name.
pub fn id(headers: &HeaderMap) -> Result<Option<String>, InvalidDeliveryId> {
    for header in HEADERS {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn names_of_requests() {
        let long = "x".repeat(256);
        for (headers, expected) in [
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
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            let found = id(&map).map_err(|_| ());
            assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{headers:?}");
        }
    }
}
