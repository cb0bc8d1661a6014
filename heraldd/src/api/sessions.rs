//! Sessions of the page: who is logged in, and the end of a session.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use herald_access::{AuthenticatedCaller, Role, Via};
use herald_control::model;
use herald_store::sessions::{Session, SessionError};
use http::StatusCode;

use super::act::CommandAct;
use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::caller::{ApiCaller, ReasonQuery};
use super::context::Api;
use super::given::Named;
use super::json::Json;

/// The session that a request was sent with, where it was sent with one.
pub(crate) type CurrentSession = Option<Extension<Session>>;

impl From<SessionError> for ErrorResponse {
    fn from(error: SessionError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// Who asks for sessions, and with which one.
struct SessionAsker<'a> {
    caller: &'a AuthenticatedCaller,
    current: Option<&'a Session>,
}

impl SessionAsker<'_> {
    /// Whether the session is one of the account that asks. The owner of the control socket may have the name of a
    /// user, and so may a token.
    fn owns(&self, session: &Session) -> bool {
        let is_of_user = session.of.account.is_some();
        match self.current {
            Some(current) => current.of.user == session.of.user && current.of.account.is_some() == is_of_user,
            None => self.caller.via == Via::Password && is_of_user && session.of.user == self.caller.name,
        }
    }

    fn resource(&self, session: &Session) -> model::SessionResource {
        model::SessionResource {
            id: session.id.name(),
            own: self.owns(session),
            current: self.current.is_some_and(|current| current.id == session.id),
            began_with: if session.of.account.is_some() { "password" } else { "link" }.to_owned(),
            created_at: session.created_at.to_string(),
            used_at: session.used_at.to_string(),
            expires_at: session.expires_at().to_string(),
            user: session.of.user.clone(),
            address: session.of.address.clone(),
            agent: session.of.agent.clone(),
        }
    }
}

/// Who is logged in to the page: an admin sees all sessions, others their own
#[utoipa::path(get, path = "/v1/sessions", tag = "access",
    responses((status = 200, description = "The sessions.", body = model::SessionList), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<ApiCaller>,
    current: CurrentSession,
) -> HandlerResult<Json<model::SessionList>> {
    let asking =
        SessionAsker { caller: &by.caller, current: current.as_ref().map(|Extension(current)| current) };
    let is_admin = by.caller.require(Role::Admin).is_ok();
    let sessions = api.page.sessions.current(api.clock.now()).await?;
    let seen = sessions.iter().filter(|session| is_admin || asking.owns(session));
    Ok(Json(model::SessionList { items: seen.map(|session| asking.resource(session)).collect() }))
}

/// Ends a session: its browser is at the login at once. One's own, or, for an admin, that of somebody else
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "access",
    params(("id" = String, Path, description = "The id, as the list of sessions has it."), ReasonQuery),
    responses((status = 200, description = "The session that ended.", body = model::SessionResource), CommonErrors, Missing))]
pub(crate) async fn end(
    State(api): State<Arc<Api>>,
    Named(id): Named,
    Extension(by): Extension<ApiCaller>,
    current: CurrentSession,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::SessionResource>> {
    let asking =
        SessionAsker { caller: &by.caller, current: current.as_ref().map(|Extension(current)| current) };
    let sessions = api.page.sessions.current(api.clock.now()).await?;
    let unknown = || {
        let why =
            "there is no session of this id, or it has ended; `heraldd sessions` lists those that there are";
        ErrorResponse::new(StatusCode::NOT_FOUND, why)
    };
    let session = sessions.iter().find(|session| session.id.name() == id).ok_or_else(unknown)?;
    let of = session.of.user.as_deref().map(|user| format!(" of {user}")).unwrap_or_default();
    let role = if asking.owns(session) { Role::Viewer } else { Role::Admin };
    act.begin_as(role, format!("session {id}{of}"), []).await?;
    api.page.sessions.end(session.id).await?;
    Ok(Json(asking.resource(session)))
}

#[cfg(test)]
mod tests {
    use herald_access::{AccessSettings, Authenticator, PresentedProof, TokenDigest, TokenSettings};
    use herald_store::sessions::NewSession;

    use super::*;
    use crate::api::tests::api;

    async fn token(name: &str) -> AuthenticatedCaller {
        let digest = TokenDigest::of("word");
        let token = TokenSettings { name: Some(name.to_owned()), digest, role: Role::Viewer };
        let settings = AccessSettings { tokens: vec![token], ..AccessSettings::default() };
        let header = |_: &str| vec!["Bearer word".to_owned()];
        let proof = PresentedProof { peer: None, client: None, header: &header, now: 0 };
        Authenticator::new(settings).caller(&proof).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_belongs_to_the_account_and_not_to_a_name() {
        let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
        let begin = async |user: &str, account: Option<&str>| {
            let (user, account) = (Some(user.to_owned()), account.map(str::to_owned));
            let new = NewSession { user, account, ..NewSession::default() };
            let token = api.page.sessions.begin(new, api.clock.now()).await.unwrap();
            api.page.sessions.find(&token, api.clock.now()).await.unwrap().unwrap()
        };
        let (anna, again) = (begin("anna", Some("one")).await, begin("anna", Some("one")).await);
        let (bob, link) = (begin("bob", Some("two")).await, begin("anna", None).await);
        let word = token("anna").await;
        let mut password = word.clone();
        password.via = Via::Password;
        for (caller, current, owned) in [
            (&word, Some(&anna), [true, true, false, false]),
            (&word, Some(&link), [false, false, false, true]),
            (&password, None, [true, true, false, false]),
            (&word, None, [false; 4]),
        ] {
            let asking = SessionAsker { caller, current };
            assert_eq!([&anna, &again, &bob, &link].map(|one| asking.owns(one)), owned, "{caller:?}");
        }
        let resource = SessionAsker { caller: &word, current: Some(&link) }.resource(&bob);
        assert!(!resource.own && !resource.current && resource.began_with == "password", "{resource:?}");
    }
}
