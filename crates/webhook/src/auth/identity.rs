//! What a signed request is known by when it comes again: what is signed, and the names that its sender gives it. Of
//! everything else anybody who has seen the request once can make something else.

use std::time::Duration;

use serde_json::Value;

use super::proof::{RequestCredentials, WINDOW, header};
use super::scheme::{Auth, Provider};
use super::stripe;
use crate::body::surrogate;
use crate::delivery::{self, InvalidDeliveryId, RequestKey};

/// What names a delivery at a provider.
struct OwnNames {
    /// The provider's headers with the name of a delivery; the first one that is there counts.
    delivery: &'static [&'static str],
    /// The provider's header with the name of the hook: one event goes to several hooks under one name.
    hook: Option<&'static str>,
}

impl Provider {
    fn own_names(self) -> OwnNames {
        let (delivery, hook): (&'static [&'static str], Option<&'static str>) = match self {
            Self::GitHub => (&["x-github-delivery"], Some("x-github-hook-id")),
            Self::GitLab => (&["idempotency-key", "x-gitlab-event-uuid"], Some("x-gitlab-webhook-uuid")),
            Self::Gitea => (&["x-gitea-delivery"], None),
            Self::Forgejo => (&["x-forgejo-delivery", "x-gitea-delivery"], None),
            Self::Gogs => (&["x-gogs-delivery"], None),
            Self::Bitbucket => (&["x-request-uuid"], Some("x-hook-uuid")),
            Self::Slack | Self::Stripe | Self::StandardWebhooks => (&[], None),
        };
        OwnNames { delivery, hook }
    }

    /// Whether this request has a time in what is signed.
    fn signs_time(self, request: &RequestCredentials<'_>) -> bool {
        match self {
            Self::Slack | Self::Stripe | Self::StandardWebhooks => true,
            Self::GitLab => is_standard(request),
            _ => false,
        }
    }
}

/// GitLab with a signing token signs as Standard Webhooks has it.
fn is_standard(request: &RequestCredentials<'_>) -> bool {
    request.headers.contains_key("webhook-signature") && !request.headers.contains_key("x-gitlab-token")
}

impl Auth {
    /// Whether what it checks is a signature, or another proof of a provider.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self, Self::Hmac(_) | Self::Provider(..))
    }

    /// How long a request that was accepted must be known, so that it cannot be sent again while its signature is in
    /// time; zero where nothing in it says when it was signed.
    #[must_use]
    pub fn known_for(&self, request: &RequestCredentials<'_>) -> Duration {
        match self {
            // It may be signed with a time that far in the future.
            Self::Provider(provider, _) if provider.signs_time(request) => 2 * WINDOW,
            _ => Duration::ZERO,
        }
    }

    /// What a request to this path is known by, once it was checked. Without `named` only as long as its signature is
    /// in time, and not by its name.
    ///
    /// # Errors
    /// When a header that names it is there twice, or is not a valid name.
    pub fn delivery(
        &self,
        request: &RequestCredentials<'_>,
        path: &str,
        named: bool,
    ) -> Result<Option<RequestKey>, InvalidDeliveryId> {
        let headers = request.headers;
        let body = &*self.signed_part(headers, request.body);
        let signed = |time: &str, id: &str| {
            let digest = delivery::digest(&[id.as_bytes(), time.as_bytes(), body]);
            delivery::at(&format!("signed:{digest}"), path, "")
        };
        let text = |name: &str| header(request, name).unwrap_or_default();
        let provider = match self {
            Self::Token(_) | Self::Basic(_) if named => {
                // With another token the request is the same.
                let query = request.query.iter().filter(|(name, _)| Some(&**name) != self.query_parameter());
                return RequestKey::of_unsigned(headers, path, query, body);
            }
            Self::Hmac(_) if named => return Ok(Some(RequestKey::Signed(signed("", "")))),
            Self::Token(_) | Self::Basic(_) | Self::Hmac(_) => return Ok(None),
            Self::Provider(provider, _) => *provider,
        };
        let name = |name: String| Some(RequestKey::Signed(delivery::at(&name, path, "")));
        match provider {
            Provider::Slack => {
                let event = body_text(body, "event_id").filter(|_| named);
                let time = || signed(text("x-slack-request-timestamp"), "");
                Ok(event.map_or_else(|| Some(RequestKey::Signed(time())), |id| name(format!("slack:{id}"))))
            }
            Provider::Stripe => {
                let event = body_text(body, "id").filter(|_| named);
                let time = || signed(stripe::signed_at(request).unwrap_or_default(), "");
                Ok(event.map_or_else(|| Some(RequestKey::Signed(time())), |id| name(format!("stripe:{id}"))))
            }
            Provider::StandardWebhooks | Provider::GitLab if provider.signs_time(request) => {
                let id = delivery::named(&["webhook-id"], headers)?.unwrap_or_default();
                if !named {
                    return Ok(Some(RequestKey::Signed(signed(text("webhook-timestamp"), &id))));
                }
                let content = delivery::digest(&[body]);
                Ok(Some(RequestKey::Unsigned { name: delivery::at(&id, path, ""), content }))
            }
            _ if !named => Ok(None),
            _ => {
                let own = provider.own_names();
                let hook = own.hook.map(text).unwrap_or_default();
                let signed = signed("", "");
                Ok(Some(match delivery::named(own.delivery, headers)? {
                    Some(id) => RequestKey::Named { name: delivery::at(&id, path, hook), signed },
                    None => RequestKey::Signed(signed),
                }))
            }
        }
    }
}

/// A text in the JSON object of a body.
fn body_text(body: &[u8], key: &str) -> Option<String> {
    match surrogate::read(body)?.get_mut(key)?.take() {
        Value::String(text) => Some(text),
        _ => None,
    }
}
