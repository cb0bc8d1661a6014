//! Who calls the API, and why: recorded with an event or a job as `by`, and with every act.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use herald_access::{AuthenticatedCaller, NotAuthenticated, PresentedProof, Via};
use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_net::serve::{BodyError, Peer, read_whole};
use herald_webhook::client_address::Addresses;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::ErrorResponse;
use super::context::Api;
use super::given::unread;

/// Gives the reason where neither the query nor the body can.
pub(crate) const REASON: &str = "herald-reason";
/// With what the `User-Agent` of heraldd's own command line begins.
pub(crate) const CLI: &str = "heraldd-cli/";
/// The longest reason, in characters.
const LONGEST: usize = 500;
const MAX_BODY: u64 = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(10);

/// Who sent a request; every request that is let in has one.
#[derive(Debug, Clone)]
pub(crate) struct ApiCaller {
    /// Who, and what it may do.
    pub(crate) caller: Arc<AuthenticatedCaller>,
    /// Where the client is, over TCP.
    pub(crate) address: Option<IpAddr>,
}

/// Who sent a request over TCP, and where the client is.
pub(crate) struct FoundCaller {
    pub(crate) client: Option<IpAddr>,
    pub(crate) caller: Result<AuthenticatedCaller, NotAuthenticated>,
}

/// The caller of a request over TCP; by a proxy alone where something else proves already who it is.
pub(crate) async fn over_tcp(api: &Api, headers: &HeaderMap, peer: &Peer, is_known: bool) -> FoundCaller {
    let addresses = Addresses { allowed: None, trusted: api.authenticator.proxies() };
    let client = Some(addresses.client(peer, headers));
    let header = |name: &str| {
        if is_known && name == AUTHORIZATION.as_str() {
            return Vec::new();
        }
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let proof = PresentedProof {
        peer: peer.address.map(|address| address.ip().to_canonical()),
        client,
        header: &header,
        now: api.clock.unix_seconds(),
    };
    FoundCaller { client, caller: api.authenticator.caller(&proof).await }
}

/// The query of whatever is done, for the OpenAPI document.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReasonQuery {
    /// Why, in your own words: 500 characters at most. It is recorded. The header `Herald-Reason` does the same.
    #[param(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

/// The reason that a body may give: `{"reason": "…"}`.
pub(crate) async fn reason_in(body: Body) -> Result<Option<String>, ErrorResponse> {
    let body = read_whole(body, MAX_BODY, BODY_TIME).await;
    let body = body.map_err(|error| match error {
        BodyError::NoRoom => unread(&error),
        _ => bad("the body could not be read; it may be {\"reason\": \"…\"}"),
    })?;
    Ok(serde_json::from_slice::<ReasonQuery>(&body).ok().and_then(|body| body.reason))
}

fn bad(why: &str) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, why)
}

/// The reason in a query.
pub(crate) fn reason_of(query: &str) -> Option<String> {
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "reason");
    asked.map(|(_, reason)| reason.into_owned())
}

/// The reason in the query, else in the header.
pub(crate) fn given(parts: &Parts) -> Result<Option<String>, ErrorResponse> {
    if let Some(reason) = parts.uri.query().and_then(reason_of) {
        return Ok(Some(reason));
    }
    let header = parts.headers.get(REASON).map(|value| String::from_utf8(value.as_bytes().to_vec()));
    header.transpose().map_err(|_| bad("the header Herald-Reason is not valid UTF-8"))
}

/// Who calls, and why.
pub(crate) fn actor(
    caller: &ApiCaller,
    headers: &HeaderMap,
    reason: Option<String>,
) -> Result<Actor, ErrorResponse> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(bad("reason: expected at most 500 characters"));
    }
    if reason.as_ref().is_some_and(|reason| reason.contains(char::is_control)) {
        return Err(bad("reason: expected one line of text, without control characters"));
    }
    Ok(Actor {
        user: caller.caller.name.as_deref().map(Name::from),
        via: via(headers, caller.caller.via).into(),
        address: caller.address.map(|address| address.to_string().into()),
        reason: reason.map(Name::from),
    })
}

/// On the socket, whether it was Herald's own command line.
fn via(headers: &HeaderMap, via: Via) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    match via {
        Via::Socket if agent.is_some_and(|agent| agent.starts_with(CLI)) => "cli",
        Via::Socket => "api",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(uri: &str, headers: &[(&str, &str)], caller: &ApiCaller) -> Result<Actor, ErrorResponse> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        actor(caller, &parts.headers, given(&parts)?)
    }

    #[test]
    fn a_caller_is_known_by_its_connection_and_gives_a_reason() {
        let known = |name: Option<&str>, via, address: Option<&str>| ApiCaller {
            caller: Arc::new(AuthenticatedCaller::admin(name.map(str::to_owned), via)),
            address: address.map(|address| address.parse().unwrap()),
        };
        let socket = known(Some("root"), Via::Socket, None);
        let tcp = known(None, Via::Token, Some("10.1.2.3"));
        let anna = known(Some("anna"), Via::Password, Some("2001:db8::1"));
        let cli = ("user-agent", "heraldd-cli/1.0");
        for (uri, headers, caller, user, via, address, reason) in [
            ("/x?reason=the%20disk", vec![cli], &socket, Some("root"), "cli", None, Some("the disk")),
            ("/x?a=b", vec![(REASON, " grün ")], &socket, Some("root"), "api", None, Some("grün")),
            ("/x?reason=", vec![cli], &tcp, None, "token", Some("10.1.2.3"), None),
            ("/x", vec![cli], &anna, Some("anna"), "password", Some("2001:db8::1"), None),
        ] {
            let by = by(uri, &headers, caller).unwrap_or_else(|_| panic!("{uri}"));
            let text = |text: &Option<Name>| text.as_deref().map(str::to_owned);
            let known = (text(&by.user), &*by.via, text(&by.address), text(&by.reason));
            let own = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(known, (own(user), via, own(address), own(reason)), "{uri}");
        }
        let long = format!("/x?reason={}", "x".repeat(501));
        for uri in [long.as_str(), "/x?reason=a%0Ab"] {
            assert!(by(uri, &[], &socket).is_err(), "{uri}");
        }
    }
}
