//! The ways in and out: the login, links that are used once, sessions; and the files of the page.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use herald_access::{NotAuthenticated, RefusedLogins, Via};
use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_page::request::return_path;
use herald_page::{assets, screens};
use herald_store::sessions::{NewSession, Session};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::acts::fields_in;
use super::visit::{ApiState, UNENCRYPTED, Visit};
use crate::api::act::record;
use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::caller::ApiCaller;
use crate::api::context::Api;
use crate::api::given::Named;
use crate::api::sessions::{self, CurrentSession};

/// How long a browser keeps the cookie: as long as a session lasts at most.
const COOKIE_SECONDS: i64 = 7 * 24 * 3600;
/// The longest name of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

pub(super) async fn form(State(api): ApiState, visit: Visit) -> Response {
    login_form(&api, &visit, "", None)
}

fn login_form(api: &Api, visit: &Visit, name: &str, error: Option<&str>) -> Response {
    let has_users = api.authenticator.has_users();
    visit.screen(api, |frame| screens::login::screen(frame, has_users, name, error))
}

pub(super) async fn log_in(
    State(api): ApiState,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> HandlerResult<Response> {
    if !visit.is_private {
        return Err(ErrorResponse::new(StatusCode::FORBIDDEN, UNENCRYPTED));
    }
    let fields = fields_in(body).await?;
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let login = api.authenticator.begin_session(field("name"), field("password"), visit.client).await;
    let login = match login {
        Ok(login) => login,
        Err(why) => {
            let refused = api.authenticator.refused_login(field("name"), &why).await;
            record_refused(&api, &visit, refused);
            let mut response = login_form(&api, &visit, field("name"), Some(&why.to_string()));
            *response.status_mut() = match why {
                NotAuthenticated::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                NotAuthenticated::Busy | NotAuthenticated::Users => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNAUTHORIZED,
            };
            if let NotAuthenticated::TooMany(wait) = why {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            }
            return Ok(response);
        }
    };
    let (user, account) = (login.caller.name, Some(login.account));
    record_refused(&api, &visit, api.authenticator.refused_before(field("name")));
    begin(&api, &visit, &headers, NewSession { user, account, ..NewSession::default() }, field("to")).await
}

/// The answer does not wait for the audit: it would be later where there is such an account. The log has its errors.
fn record_refused(api: &Arc<Api>, visit: &Visit, refused: Option<RefusedLogins>) {
    let Some(RefusedLogins { user, why }) = refused else { return };
    let by = by(visit, &NewSession { user, ..NewSession::default() });
    let own = api.clone();
    api.acts.spawn(async move { record(&own, by, "login", "page".to_owned(), Some(why)).await.is_ok() });
}

pub(super) async fn link(
    State(api): ApiState,
    visit: Visit,
    Named(secret): Named,
) -> HandlerResult<Response> {
    if !api.page.links.is_valid(&secret, api.clock.now()) {
        return Err(used());
    }
    Ok(visit.screen(&api, |frame| screens::login::link(frame, &secret)))
}

pub(super) async fn use_link(
    State(api): ApiState,
    visit: Visit,
    headers: HeaderMap,
    Named(secret): Named,
) -> HandlerResult<Response> {
    let user = api.page.links.take(&secret, api.clock.now()).ok_or_else(used)?;
    begin(&api, &visit, &headers, NewSession { user, ..NewSession::default() }, "/").await
}

fn used() -> ErrorResponse {
    let why = "this link was used already, or is older than 60 s; run  heraldd page  again";
    ErrorResponse::new(StatusCode::FORBIDDEN, why)
}

/// Begins a session; it is recorded first.
async fn begin(
    api: &Api,
    visit: &Visit,
    headers: &HeaderMap,
    new: NewSession,
    to: &str,
) -> HandlerResult<Response> {
    let before = cookie_session(api, visit, headers).await?;
    record(api, by(visit, &new), "login", "page".to_owned(), None).await?;
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let new = NewSession {
        address: visit.client.map(|address| address.to_string()),
        agent: agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
        ..new
    };
    let token = api.page.sessions.begin(new, api.clock.now()).await?;
    // The cookie takes the place of that of a former login, which nobody could end any more.
    if let Some(before) = before
        && let Err(error) = api.page.sessions.end(before.id).await
    {
        tracing::error!("{error}");
    }
    let to = visit.see_other(return_path(Some(to)));
    Ok(with_cookie(to, &visit.look.cookie.begin(&token, COOKIE_SECONDS)))
}

/// Who logs in or out.
fn by(visit: &Visit, session: &NewSession) -> Actor {
    Actor {
        user: session.user.as_deref().map(Name::from),
        via: Via::Page.as_str().into(),
        address: visit.client.map(|address| address.to_string().into()),
        reason: None,
    }
}

/// The session of the cookie, also where something else proves who sent the request.
async fn cookie_session(api: &Api, visit: &Visit, headers: &HeaderMap) -> HandlerResult<Option<Session>> {
    match visit.look.cookie.token(headers) {
        Some(token) => Ok(api.page.sessions.find(token, api.clock.now()).await?),
        None => Ok(None),
    }
}

/// Ends a session. Nobody stays logged in because that cannot be recorded: the log has the error.
async fn end_session(api: &Api, visit: &Visit, session: &Session) -> HandlerResult<()> {
    let target = format!("session {}", session.id.name());
    let _ = record(api, by(visit, &session.of), "logout", target, None).await;
    Ok(api.page.sessions.end(session.id).await?)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn log_out(
    State(api): ApiState,
    visit: Visit,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    if let Some(session) = cookie_session(&api, &visit, &headers).await? {
        end_session(&api, &visit, &session).await?;
    }
    Ok(with_cookie(visit.see_other("/login"), &visit.look.cookie.end()))
}

pub(super) async fn account(
    State(api): ApiState,
    visit: Visit,
    by: Extension<ApiCaller>,
    current: CurrentSession,
) -> HandlerResult<Response> {
    let sessions = sessions::list(State(api.clone()), by, current).await?.0.items;
    Ok(visit.screen(&api, |frame| screens::account::screen(frame, &sessions)))
}

pub(super) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let Some(asset) = assets::find(&name).filter(|_| version == assets::version()) else {
        return ErrorResponse::new(StatusCode::NOT_FOUND, "there is no such file").into_response();
    };
    let headers =
        [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.text).into_response()
}
