//! Whom a session lets in, as long as the account is the same.

use std::time::Duration;

use herald_access::{AuthenticatedCaller, Via};
use herald_store::sessions::Session;
use http::HeaderMap;

use super::state::PageLook;
use crate::api::context::Api;

/// How often it is looked whether the session of a stream is still valid.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The session of a request, and whom it lets in.
pub(super) async fn of_request(
    api: &Api,
    look: &PageLook,
    headers: &HeaderMap,
) -> Option<(Session, AuthenticatedCaller)> {
    let token = look.cookie.token(headers)?;
    let found = api.page.sessions.find(token, api.clock.now()).await;
    let session = found.inspect_err(|error| tracing::error!("{error}")).ok().flatten()?;
    let caller = caller(api, &session).await?;
    Some((session, caller))
}

/// Whom a session lets in. It ends where the account is gone, or has another password or role.
async fn caller(api: &Api, session: &Session) -> Option<AuthenticatedCaller> {
    let (user, account) = (&session.of.user, &session.of.account);
    let Some(account) = account else { return Some(AuthenticatedCaller::admin(user.clone(), Via::Page)) };
    match api.authenticator.resume(user.as_deref()?, account).await {
        Ok(Some(caller)) => Some(caller),
        Ok(None) => {
            if let Err(error) = api.page.sessions.end(session.id).await {
                tracing::error!("{error}");
            }
            None
        }
        Err(_) => None,
    }
}

/// Resolves once the session does not let anybody in any more.
pub(super) async fn until_over(api: &Api, session: &Session) {
    while tokio::time::timeout(LOOK_AGAIN, api.page.sessions.ended(session.id)).await.is_err() {
        if caller(api, session).await.is_none() {
            return;
        }
    }
}
