//! What a caller must show: one of the ways to prove who it is.

use super::basic::Basic;
use super::generic::Generic;
use super::proof::{AuthError, RequestCredentials};
use super::token::Token;
use super::{bitbucket, forge, github, gitlab, slack, standard_webhooks, stripe};

/// What a caller must show.
pub(crate) struct Auth(pub(super) AuthMethod);

/// The ways.
pub(super) enum AuthMethod {
    Token(Token),
    Basic(Basic),
    Hmac(Generic),
    Provider(Provider, Vec<String>),
}

/// Those whose scheme is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    GitHub,
    GitLab,
    Gitea,
    Forgejo,
    Gogs,
    Bitbucket,
    Slack,
    Stripe,
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

    pub(super) fn named(name: &str) -> Option<Self> {
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
    /// Checks what the head of a request alone can prove: a request without a token is rejected before its body.
    pub(crate) fn check_head(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        match &self.0 {
            AuthMethod::Token(token) => token.check(request),
            AuthMethod::Basic(basic) => basic.check(request),
            AuthMethod::Hmac(_) | AuthMethod::Provider(..) => Ok(()),
        }
    }

    /// What the body proves as well.
    pub(crate) fn check_whole(&self, request: &RequestCredentials<'_>) -> Result<(), AuthError> {
        match &self.0 {
            AuthMethod::Token(_) | AuthMethod::Basic(_) => Ok(()),
            AuthMethod::Hmac(generic) => generic.check(request),
            AuthMethod::Provider(provider, secrets) => provider.check(secrets, request),
        }
    }

    /// The parameter of the query that holds the token: it is not for anybody else.
    pub(crate) fn query_parameter(&self) -> Option<&str> {
        match &self.0 {
            AuthMethod::Token(token) => token.query(),
            _ => None,
        }
    }

    /// The header that proves it, which is shown to nobody unless it is asked for by name.
    pub(crate) fn is_basic(&self) -> bool {
        matches!(self.0, AuthMethod::Basic(_))
    }

    /// A name for the delivery where the sender gives none in a header: a repeated delivery
    /// has the same name.
    pub(crate) fn delivery(&self, request: &RequestCredentials<'_>) -> Option<String> {
        match &self.0 {
            AuthMethod::Provider(Provider::Slack, _) => slack::delivery(request),
            AuthMethod::Provider(Provider::Stripe, _) => stripe::delivery(request),
            _ => None,
        }
    }
}
