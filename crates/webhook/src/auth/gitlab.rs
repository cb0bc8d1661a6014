//! GitLab: the secret itself in `X-Gitlab-Token`; or, with a signing token, a signature after Standard Webhooks.

use super::proof::{AuthError, RequestCredentials, header, is_one_of};
use super::standard_webhooks;

pub(super) fn check(secrets: &[String], request: &RequestCredentials<'_>) -> Result<(), AuthError> {
    if request.headers.contains_key("webhook-signature") && !request.headers.contains_key("x-gitlab-token") {
        return standard_webhooks::check(secrets, request);
    }
    if is_one_of(secrets, header(request, "x-gitlab-token")?) {
        Ok(())
    } else {
        Err(AuthError::new("the token in x-gitlab-token is wrong"))
    }
}
