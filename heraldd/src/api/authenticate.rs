//! Who may come in: each request gets its caller, or none of its path is looked at.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use herald_access::{AuthenticatedCaller, NotAuthenticated, Via};
use herald_base::system::user::{USERS, name_in};
use herald_net::serve::{ClientBody, Handler, Peer};
use herald_webhook::cross_site::is_cross_site;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use tower_service::Service;

use super::answer::ErrorResponse;
use super::caller::{ApiCaller, over_tcp};
use super::context::Api;
use super::long_answer::{self, until_rejected};
use super::routes::ApiCalls;

/// How a browser is asked for a name and a password.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"heraldd\", charset=\"UTF-8\"");

/// Finds the caller of each request, and lets those in that are known.
pub(crate) struct AuthenticatedRouter {
    calls: ApiCalls,
    api: Arc<Api>,
    /// On the socket, the file's mode decides who can connect.
    is_socket: bool,
}

impl AuthenticatedRouter {
    pub(crate) fn new(api: &Arc<Api>, is_socket: bool) -> Self {
        Self { calls: ApiCalls::new(api.clone()), api: api.clone(), is_socket }
    }

    async fn caller(&self, request: &Parts, peer: &Peer) -> Result<ApiCaller, NotAuthenticated> {
        if self.is_socket {
            let name = match peer.uid {
                // What only reads is not recorded: to look for the name would cost as much as many an answer.
                Some(uid) if !only_reads(&request.method) => Some(user_name(uid).await),
                _ => None,
            };
            return Ok(ApiCaller {
                caller: Arc::new(AuthenticatedCaller::admin(name, Via::Socket)),
                address: None,
            });
        }
        let found = over_tcp(&self.api, &request.headers, peer, false).await;
        Ok(ApiCaller { caller: Arc::new(found.caller?), address: found.client })
    }
}

impl Handler for AuthenticatedRouter {
    type Body = Body;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> Response {
        let (mut request, body) = request.into_parts();
        if !only_reads(&request.method) && is_cross_site(&request.headers) {
            let why = "cross-site browser request rejected";
            return ErrorResponse::new(StatusCode::FORBIDDEN, why).into_response();
        }
        match self.caller(&request, peer).await {
            Ok(caller) => request.extensions.insert(caller),
            Err(why) => return not_authenticated(&why, self.api.authenticator.has_users()),
        };
        let headers = (!self.is_socket).then(|| request.headers.clone());
        let request = Request::from_parts(request, body);
        let response = match self.calls.router().clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let Some(headers) = headers else { return response };
        let peer = Peer::new(peer.address, peer.loopback);
        long_answer::until(response, until_rejected(self.api.clone(), headers, peer))
    }
}

fn only_reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The name of a user of this machine; its number where it has none.
async fn user_name(uid: u32) -> String {
    let users = tokio::fs::read_to_string(USERS).await.unwrap_or_default();
    name_in(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

/// The response to a request whose sender did not prove who it is.
pub(crate) fn not_authenticated(why: &NotAuthenticated, has_users: bool) -> Response {
    let mut response = match why {
        NotAuthenticated::Unproved(_) => ErrorResponse::new(StatusCode::UNAUTHORIZED, why),
        NotAuthenticated::NoRole(_) => ErrorResponse::new(StatusCode::FORBIDDEN, why),
        NotAuthenticated::TooMany(wait) => {
            ErrorResponse::after(StatusCode::TOO_MANY_REQUESTS, wait.as_secs().max(1), why)
        }
        NotAuthenticated::Busy | NotAuthenticated::Users => {
            ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
    .into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        if has_users {
            response.headers_mut().append(WWW_AUTHENTICATE, BASIC);
        }
    }
    response
}
