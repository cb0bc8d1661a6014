//! Whom a session lets in, as long as the account is the same.

use std::time::Duration;

use herald_access::{AuthenticatedCaller, Via};
use herald_store::sessions::Session;
use http::HeaderMap;

use super::state::PageLook;
use crate::api::context::Api;

/// How often it is looked whether the session of a stream is still valid: somebody who is removed is gone within 2 s.
const LOOK_AGAIN: Duration = Duration::from_millis(1500);

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
        let is_valid = api.page.sessions.is_valid(session.id, api.clock.now());
        if !is_valid || caller(api, session).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use herald_core::clock::TestClock;
    use herald_store::sessions::NewSession;

    use super::*;
    use crate::api::tests::api;

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_the_session_expires_or_its_user_is_removed() {
        let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
        let mut api = Arc::into_inner(api).unwrap();
        api.clock = Arc::new(TestClock::at("2026-11-29T12:00:00Z".parse().unwrap()));
        let begin = async |account: Option<&str>| {
            let new = NewSession {
                user: Some("anna".to_owned()),
                account: account.map(str::to_owned),
                ..NewSession::default()
            };
            let token = api.page.sessions.begin(new, api.clock.now()).await.unwrap();
            api.page.sessions.find(&token, api.clock.now()).await.unwrap().unwrap()
        };
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let session = begin(None).await;
        assert!(tokio::time::timeout(hours(11), until_over(&api, &session)).await.is_err());
        assert!(
            tokio::time::timeout(hours(2), until_over(&api, &session)).await.is_ok(),
            "not used for 12 h"
        );
        let session = begin(None).await;
        let over = tokio::time::timeout(Duration::from_secs(1), until_over(&api, &session));
        let (over, ended) = tokio::join!(over, api.page.sessions.end(session.id));
        assert!(over.is_ok() && ended.is_ok(), "the logout");
        let session = begin(Some("an account that is gone")).await;
        let over = tokio::time::timeout(Duration::from_secs(2), until_over(&api, &session)).await;
        assert!(over.is_ok(), "the user is removed");
    }
}
