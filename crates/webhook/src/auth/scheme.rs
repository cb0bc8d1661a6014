//! What a caller must show: one of the ways to prove who it is.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;

use super::basic::Basic;
use super::generic::HmacHeader;
use super::proof::{AuthError, RequestCredentials};
use super::token::Token;
use super::{bitbucket, forge, github, gitlab, slack, standard_webhooks, stripe};

/// What a caller must show.
pub enum Auth {
    /// A token.
    Token(Token),
    /// A user and a password.
    Basic(Basic),
    /// A signature of the body.
    Hmac(HmacHeader),
    /// What a provider sends, with the accepted secrets.
    Provider(Provider, Vec<String>),
}

/// A sender of web hooks whose scheme is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// Gogs.
    Gogs,
    /// Bitbucket.
    Bitbucket,
    /// Slack.
    Slack,
    /// Stripe.
    Stripe,
    /// Any sender that follows Standard Webhooks.
    StandardWebhooks,
}

impl Provider {
    const ALL: [(&'static str, Self); 9] = [
        ("github", Self::GitHub),
        ("gitlab", Self::GitLab),
        ("gitea", Self::Gitea),
        ("forgejo", Self::Forgejo),
        ("gogs", Self::Gogs),
        ("bitbucket", Self::Bitbucket),
        ("slack", Self::Slack),
        ("stripe", Self::Stripe),
        ("standard_webhooks", Self::StandardWebhooks),
    ];

    /// Whether it is a forge that sends a form unless it is set to JSON, or that may be set to send one.
    #[must_use]
    pub fn sends_forms(self) -> bool {
        self == Self::GitHub || self.signs_payload()
    }

    /// Whether of a form one field is signed rather than the body.
    fn signs_payload(self) -> bool {
        matches!(self, Self::Gitea | Self::Forgejo | Self::Gogs)
    }

    /// The names, as configurations have them.
    pub const NAMES: [&'static str; 9] = {
        let mut names = [""; 9];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].0;
            at += 1;
        }
        names
    };

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, provider)| *provider)
    }

    fn check(self, secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        match self {
            Self::GitHub => github::check(secrets, request),
            Self::GitLab => gitlab::check(secrets, request),
            Self::Gitea => forge::check(&["x-gitea-signature"], secrets, request),
            Self::Forgejo => forge::check(&["x-forgejo-signature", "x-gitea-signature"], secrets, request),
            Self::Gogs => forge::check(&["x-gogs-signature"], secrets, request),
            Self::Bitbucket => bitbucket::check(secrets, request),
            Self::Slack => slack::check(secrets, request),
            Self::Stripe => stripe::check(secrets, request),
            Self::StandardWebhooks => standard_webhooks::check(secrets, request),
        }
    }
}

impl Auth {
    /// Checks what the head of a request alone can prove: one without a token or a signature is rejected before its
    /// body is read.
    ///
    /// # Errors
    /// Why the request is rejected.
    pub fn check_head(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        match self {
            Self::Token(token) => token.check(request),
            Self::Basic(basic) => basic.check(request),
            Self::Hmac(_) | Self::Provider(..) => match self.check_whole(request) {
                // The body, which is to come, decides.
                Err(error) if error.is_of_body => Ok(()),
                other => other,
            },
        }
    }

    /// Checks what needs the body.
    ///
    /// # Errors
    /// Why the request is rejected.
    pub fn check_whole(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        match self {
            Self::Token(_) | Self::Basic(_) => Ok(()),
            Self::Hmac(generic) => generic.check(request),
            Self::Provider(provider, secrets) => provider.check(secrets, request),
        }
    }

    /// What is signed of a body; of a form that its provider does not sign so, nothing.
    pub(super) fn signed_part<'a>(&self, headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Self::Provider(provider, _) if provider.signs_payload() => {
                forge::payload(headers, body).unwrap_or_default()
            }
            _ => Cow::Borrowed(body),
        }
    }

    /// The body without those parts that anybody could have added to a signed one: the parameters are read from this.
    #[must_use]
    pub fn without_unsigned(&self, headers: &HeaderMap, body: Bytes) -> Bytes {
        match self {
            Self::Provider(provider, _) if provider.signs_payload() => {
                match forge::without_unsigned(headers, &body) {
                    Cow::Borrowed(part) => body.slice_ref(part),
                    Cow::Owned(form) => form.into(),
                }
            }
            _ => body,
        }
    }

    /// The parameter of the query that holds the token: it is for authentication alone.
    #[must_use]
    pub fn query_parameter(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.query(),
            _ => None,
        }
    }

    /// Whether it is HTTP Basic, for which a browser asks its user.
    #[must_use]
    pub fn is_basic(&self) -> bool {
        matches!(self, Self::Basic(_))
    }
}
