//! Who calls the API, and why: recorded with an event or a job as `by`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Request};
use herald_base::system::user::{USERS, name_in};
use herald_core::activation::Name;
use herald_core::actor::Actor;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::ErrorResponse;
use super::given::unread;
use herald_net::serve::{BodyError, read_whole};

/// Gives the reason where neither the query nor the body can.
pub(super) const REASON: &str = "herald-reason";
/// With what the `User-Agent` of heraldd's own command line begins.
pub(crate) const CLI: &str = "heraldd-cli/";
/// The longest reason, in characters.
const LONGEST: usize = 500;
const MAX_BODY: u64 = 64 << 10;
const BODY_TIME: Duration = Duration::from_secs(10);

/// The other end of the connection; every request has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiCaller {
    /// Its user, on the control socket.
    pub(super) uid: Option<u32>,
    /// Its address, over TCP, where it knows the token.
    pub(super) address: Option<SocketAddr>,
}

/// The query of whatever is done, for the OpenAPI document.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReasonQuery {
    /// Why, in your own words: 500 characters at most. It is recorded. The header `Herald-Reason` does the same.
    #[param(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

/// Who calls, for a request whose body is something else.
pub(super) struct RequestActor(pub(super) Arc<Actor>);

/// Who calls, for a request whose body may be `{"reason": "…"}`.
pub(super) struct CommandActor(pub(super) Arc<Actor>);

impl<S: Send + Sync> FromRequestParts<S> for RequestActor {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ErrorResponse> {
        let reason = given(parts)?;
        actor(parts, reason).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for CommandActor {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, ErrorResponse> {
        let (parts, body) = request.into_parts();
        let mut reason = given(&parts)?;
        if reason.is_none() {
            let body = read_whole(body, MAX_BODY, BODY_TIME).await;
            let body = body.map_err(|error| match error {
                BodyError::NoRoom => unread(&error),
                _ => bad("the body could not be read; it may be {\"reason\": \"…\"}"),
            })?;
            reason = serde_json::from_slice::<ReasonQuery>(&body).ok().and_then(|body| body.reason);
        }
        actor(&parts, reason).await.map(Self)
    }
}

fn bad(why: &str) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, why)
}

/// The reason in the query, else in the header.
fn given(parts: &Parts) -> Result<Option<String>, ErrorResponse> {
    let query = parts.uri.query().unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "reason");
    if let Some((_, reason)) = asked {
        return Ok(Some(reason.into_owned()));
    }
    let header = parts.headers.get(REASON).map(|value| String::from_utf8(value.as_bytes().to_vec()));
    header.transpose().map_err(|_| bad("the header Herald-Reason is not valid UTF-8"))
}

async fn actor(parts: &Parts, reason: Option<String>) -> Result<Arc<Actor>, ErrorResponse> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > LONGEST) {
        return Err(bad("reason: expected at most 500 characters"));
    }
    if reason.as_ref().is_some_and(|reason| reason.contains(char::is_control)) {
        return Err(bad("reason: expected one line of text, without control characters"));
    }
    let caller = parts.extensions.get::<ApiCaller>().copied();
    let user = match caller.and_then(|caller| caller.uid) {
        Some(uid) => Some(user_name(uid).await),
        None => None,
    };
    let address = caller.and_then(|caller| caller.address).map(|address| address.ip().to_canonical());
    Ok(Arc::new(Actor {
        user: user.map(Name::from),
        via: via(&parts.headers, address.is_some()).into(),
        address: address.map(|address| address.to_string().into()),
        reason: reason.map(Name::from),
    }))
}

fn via(headers: &HeaderMap, over_tcp: bool) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    if over_tcp {
        "token"
    } else if agent.is_some_and(|agent| agent.starts_with(CLI)) {
        "cli"
    } else {
        "api"
    }
}

/// The name of a user of this machine; its number where it has none.
async fn user_name(uid: u32) -> String {
    let users = tokio::fs::read_to_string(USERS).await.unwrap_or_default();
    name_in(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn by(uri: &str, headers: &[(&str, &str)], caller: ApiCaller) -> Result<Arc<Actor>, ErrorResponse> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.extension(caller).body(()).unwrap().into_parts().0;
        RequestActor::from_request_parts(&mut parts, &()).await.map(|by| by.0)
    }

    #[tokio::test]
    async fn a_caller_is_known_by_its_connection_and_gives_a_reason() {
        let socket = ApiCaller { uid: Some(0), address: None };
        let tcp = ApiCaller { uid: None, address: Some("[::ffff:10.1.2.3]:5".parse().unwrap()) };
        let cli = ("user-agent", "heraldd-cli/1.0");
        for (uri, headers, caller, user, via, address, reason) in [
            ("/x?reason=the%20disk", vec![cli], socket, Some("root"), "cli", None, Some("the disk")),
            ("/x?a=b", vec![(REASON, " grün ")], socket, Some("root"), "api", None, Some("grün")),
            ("/x?reason=", vec![cli], tcp, None, "token", Some("10.1.2.3"), None),
        ] {
            let by = by(uri, &headers, caller).await.unwrap_or_else(|_| panic!("{uri}"));
            let text = |text: &Option<Name>| text.as_deref().map(str::to_owned);
            let known = (text(&by.user), &*by.via, text(&by.address), text(&by.reason));
            let own = |text: Option<&str>| text.map(str::to_owned);
            assert_eq!(known, (own(user), via, own(address), own(reason)), "{uri}");
        }
        let long = format!("/x?reason={}", "x".repeat(501));
        for uri in [long.as_str(), "/x?reason=a%0Ab"] {
            assert!(by(uri, &[], socket).await.is_err(), "{uri}");
        }
    }
}
