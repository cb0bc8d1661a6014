//! What is checked of every request to the page, before anything of it is looked at.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use herald_access::NotAuthenticated;
use herald_control::model::ProblemDetails;
use herald_net::serve::{ClientBody, Handler, Peer};
use herald_page::request::{self, FRAGMENT, RequestWay, is_same_origin, security_headers};
use herald_page::screens;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tower_service::Service;

use super::state::PageLook;
use super::visit::{UNENCRYPTED, Visit};
use super::{routes, session_caller};
use crate::api::answer::ErrorResponse;
use crate::api::authenticate::not_authenticated;
use crate::api::caller::{ApiCaller, over_tcp};
use crate::api::context::Api;
use crate::api::long_answer::{self, until_rejected};
use crate::api::routes::ApiCalls;

/// Answers every request to the page.
pub(super) struct PageHandler {
    api: Arc<Api>,
    /// The login and the files of the page: for everybody.
    open: Router,
    /// The screens and acts.
    screens: Router,
    /// The calls of the API.
    calls: ApiCalls,
}

impl PageHandler {
    pub(super) fn new(api: &Arc<Api>) -> Self {
        Self {
            open: routes::open(api),
            screens: routes::screens(api),
            calls: ApiCalls::new(api.clone()),
            api: api.clone(),
        }
    }

    async fn answer(&self, mut request: Request<ClientBody>, peer: &Peer) -> Response {
        let (api, look) = (&self.api, self.api.page.look());
        api.page.used(api.clock.unix_seconds());
        if look.hosts.check(&request).is_err() && (peer.loopback || !names_address(request.headers())) {
            let why = "this Host is not allowed: name it in the option `base` of the section `page`, as in  base: \
                       https://ops.example.com/";
            return ErrorResponse::new(StatusCode::MISDIRECTED_REQUEST, why).into_response();
        }
        let below = look.site.base.below(request.uri().path()).map(str::to_owned);
        let Some(path) = below else { return elsewhere(&look, request.uri().path()) };
        let address = request.uri().query().map_or(path.clone(), |query| format!("{path}?{query}"));
        *request.uri_mut() = address.parse::<PathAndQuery>().map(Uri::from).unwrap_or_default();
        let known = session_caller::of_request(api, &look, request.headers()).await;
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read && !is_same_origin(request.headers(), &look.own, known.is_some()) {
            let why = "cross-site browser request rejected";
            return ErrorResponse::new(StatusCode::FORBIDDEN, why).into_response();
        }
        let is_private = self.is_private(&look, request.headers(), peer);
        let is_readable_password = !is_private && has_password(request.headers());
        let is_known = known.is_some() || is_readable_password;
        let by_request = over_tcp(api, request.headers(), peer, is_known).await;
        if is_readable_password && known.is_none() && by_request.caller.is_err() {
            return ErrorResponse::new(StatusCode::FORBIDDEN, UNENCRYPTED).into_response();
        }
        let client = by_request.client;
        let (session, caller) = match (by_request.caller, known) {
            (Ok(caller), _) => (None, Ok(ApiCaller { caller: Arc::new(caller), address: client })),
            (Err(_), Some((session, caller))) => {
                (Some(session), Ok(ApiCaller { caller: Arc::new(caller), address: client }))
            }
            (Err(why), None) => (None, Err(why)),
        };
        if let Some(session) = &session {
            // For the calls about sessions.
            request.extensions_mut().insert(session.clone());
        }
        let visit = Visit {
            is_fragment: request.headers().contains_key(FRAGMENT),
            caller: caller.as_ref().ok().cloned(),
            is_private,
            session,
            client,
            address,
            look,
        };
        if let Some(other) = leads_elsewhere(&request, &path, &visit) {
            return other;
        }
        if is_call(&path) {
            return self.call(request, peer, &visit, caller).await;
        }
        let response = self.screen(request, &path, &visit, caller).await;
        self.as_html(response, &visit)
    }

    async fn call(
        &self,
        mut request: Request<ClientBody>,
        peer: &Peer,
        visit: &Visit,
        caller: Result<ApiCaller, NotAuthenticated>,
    ) -> Response {
        match caller {
            Ok(caller) => request.extensions_mut().insert(caller),
            // A browser would ask for a name and a password by itself.
            Err(why) => return not_authenticated(&why, false),
        };
        let headers = request.headers().clone();
        let response = run(self.calls.router(), request).await;
        let api = self.api.clone();
        match visit.session.clone() {
            // A stream ends with the session.
            Some(session) => {
                let over = async move { session_caller::until_over(&api, &session).await };
                long_answer::until(response, over)
            }
            None => {
                let peer = Peer::new(peer.address, peer.loopback);
                long_answer::until(response, until_rejected(api, headers, peer))
            }
        }
    }

    async fn screen(
        &self,
        mut request: Request<ClientBody>,
        path: &str,
        visit: &Visit,
        caller: Result<ApiCaller, NotAuthenticated>,
    ) -> Response {
        request.extensions_mut().insert(visit.clone());
        if routes::is_open(path) {
            return run(&self.open, request).await;
        }
        match caller {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(why @ NotAuthenticated::NoRole(_)) => return not_authenticated(&why, false),
            Err(_) => {
                // After an act that was not done, to where it was asked for.
                let to = if *request.method() == Method::GET { &visit.address } else { "/" };
                let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
                return visit.see_other(&format!("/login?to={to}"));
            }
        };
        run(&self.screens, request).await
    }

    /// An error for people.
    fn as_html(&self, mut response: Response, visit: &Visit) -> Response {
        let Some(problem) = response.extensions_mut().remove::<ProblemDetails>() else { return response };
        let mut html = visit.screen(&self.api, |frame| screens::problem::screen(frame, &problem));
        *html.status_mut() = response.status();
        if let Some(after) = response.headers_mut().remove(RETRY_AFTER) {
            html.headers_mut().insert(RETRY_AFTER, after);
        }
        html
    }

    /// Whether nobody between the browser and the daemon can read what is sent.
    fn is_private(&self, look: &PageLook, headers: &HeaderMap, peer: &Peer) -> bool {
        let proxies = self.api.authenticator.proxies();
        let is_proxied = peer
            .address
            .is_some_and(|peer| proxies.iter().any(|network| network.contains(peer.ip().to_canonical())));
        let way = RequestWay { is_local: peer.loopback, has_tls: look.own.has_tls, is_proxied };
        way.is_private(headers)
    }
}

impl Handler for PageHandler {
    type Body = Body;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> Response {
        let mut response = self.answer(request, peer).await;
        security_headers(response.headers_mut());
        response
    }
}

async fn run(router: &Router, request: Request<ClientBody>) -> Response {
    match router.clone().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Whether the request has a name and a password with it.
fn has_password(headers: &HeaderMap) -> bool {
    let is_basic = |value: &http::HeaderValue| {
        value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
    };
    headers.get_all(AUTHORIZATION).iter().any(is_basic)
}

/// On to where an address leads that is another's name.
fn leads_elsewhere(request: &Request<ClientBody>, path: &str, visit: &Visit) -> Option<Response> {
    let mut to = request::elsewhere(path).filter(|_| request.method() == Method::GET)?;
    if let Some(query) = request.uri().query() {
        to.push(if to.contains('?') { '&' } else { '?' });
        to.push_str(query);
    }
    Some(visit.see_other(&to))
}

/// Whether the path is one of the control API.
fn is_call(path: &str) -> bool {
    path.starts_with("/v1/") || matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// What is not below the base.
fn elsewhere(look: &PageLook, path: &str) -> Response {
    if path == look.site.base.path || path == "/" {
        let to = look.site.to("/");
        return (StatusCode::PERMANENT_REDIRECT, [(http::header::LOCATION, to)]).into_response();
    }
    ErrorResponse::new(StatusCode::NOT_FOUND, "the page is below another path").into_response()
}

/// Whether the request names an address rather than a name: no web page of another site can make a browser do that with
/// an address that is not its own.
fn names_address(headers: &HeaderMap) -> bool {
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse::<http::uri::Authority>().ok()).is_some_and(|authority| {
        authority.host().trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
    })
}
