//! `Idempotency-Key`: a request that is sent again acts once. It is before every act of the API, and of the page, whose
//! forms have a one-time key each.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use herald_control::model::ProblemDetails;
use herald_control::rights::RouteRight;
use herald_net::serve::read_whole;
use herald_page::elements::FORM_KEY;
use herald_store::idempotency::{
    ClaimedKey, FirstResponse, IdempotencyError, IdempotencyKey, KeyClaim, LONGEST_RESPONSE, RequestDigest,
};
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::answer::{ErrorResponse, HandlerResult};
use super::caller::ApiCaller;
use super::context::Api;
use super::given::unread;

/// The header with the key.
pub(crate) const KEY: &str = "idempotency-key";
/// Says that the response is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The longest body, and how long it may take.
const MAX_BODY: u64 = 1 << 20;
const BODY_TIME: Duration = Duration::from_secs(30);
/// The most acts at the same time, those whose clients have left included: they wait where the disk hangs.
const MOST_ACTS: usize = 1000;
/// How long a form that was sent twice waits for the first time.
const FORM_WAIT: Duration = Duration::from_secs(30);

impl From<IdempotencyError> for ErrorResponse {
    fn from(error: IdempotencyError) -> Self {
        tracing::error!("{error}");
        Self::later(StatusCode::SERVICE_UNAVAILABLE, format!("{error}; nothing was done"))
    }
}

/// Before the acts of the API: those with a key are carried out once.
pub(crate) async fn call_once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if !is_done_once(&request) {
        return next.run(request).await;
    }
    let once = async {
        let Some(key) = key_in(request.headers())? else {
            return detached(&api, async move { Ok(next.run(request).await) }).await;
        };
        let (parts, body) = whole(request).await?;
        let path = path_of(&parts);
        let digest = RequestDigest::of(&[parts.method.as_str().as_bytes(), path.as_bytes(), &body]);
        let key = IdempotencyKey::of(&scope_of(&parts), &key).ok_or_else(invalid)?;
        let work = api.clone();
        detached(&api, async move {
            let claim = work.idempotency.claim(key, digest, work.clock.now()).await?;
            respond(claim, rebuilt(parts, body), next).await
        })
        .await
    };
    once.await.unwrap_or_else(IntoResponse::into_response)
}

/// Before the acts of the page: a form that is sent twice acts once, and both get the same response.
pub(crate) async fn form_once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if !is_done_once(&request) {
        return next.run(request).await;
    }
    let once = async {
        let (parts, body) = whole(request).await?;
        let field = form_urlencoded::parse(&body).find(|(name, _)| name == FORM_KEY);
        let key = field.map(|(_, key)| key.into_owned());
        let path = path_of(&parts);
        let digest = RequestDigest::of(&[path.as_bytes(), &body]);
        // All forms of a screen have one key, and one whose text was changed is another form.
        let mut scope = scope_of(&parts);
        scope.push(digest.bytes().to_vec());
        let key = key.and_then(|key| IdempotencyKey::of(&scope, &key));
        let Some(key) = key else {
            return detached(&api, async move { Ok(next.run(rebuilt(parts, body)).await) }).await;
        };
        let work = api.clone();
        detached(&api, async move {
            let claim = async || work.idempotency.claim(key, digest, work.clock.now()).await;
            let mut claimed = claim().await?;
            if matches!(claimed, KeyClaim::InProgress) {
                // When the wait is over, the claim says the rest.
                let _ = tokio::time::timeout(FORM_WAIT, work.idempotency.ended(key)).await;
                claimed = claim().await?;
            }
            respond(claimed, rebuilt(parts, body), next).await
        })
        .await
    };
    once.await.unwrap_or_else(IntoResponse::into_response)
}

fn is_done_once(request: &Request) -> bool {
    request.extensions().get::<&'static RouteRight>().is_some_and(|right| right.is_done_once())
}

fn invalid() -> ErrorResponse {
    let why = "Idempotency-Key: expected one header with 1 to 255 visible ASCII characters";
    ErrorResponse::new(StatusCode::BAD_REQUEST, why)
}

fn key_in(headers: &HeaderMap) -> HandlerResult<Option<String>> {
    let mut keys = headers.get_all(KEY).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => key.to_str().map(|key| Some(key.to_owned())).map_err(|_| invalid()),
        _ => Err(invalid()),
    }
}

async fn whole(request: Request) -> HandlerResult<(Parts, Bytes)> {
    let (parts, body) = request.into_parts();
    let body = read_whole(body, MAX_BODY, BODY_TIME).await.map_err(|error| unread(&error))?;
    Ok((parts, body))
}

fn rebuilt(parts: Parts, body: Bytes) -> Request {
    Request::from_parts(parts, Body::from(body))
}

fn path_of(parts: &Parts) -> String {
    parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}

/// Who sends it, and what it may do: with other rights it gets no response from before.
fn scope_of(parts: &Parts) -> Vec<Vec<u8>> {
    let Some(known) = parts.extensions.get::<ApiCaller>() else { return Vec::new() };
    let name = known.caller.name.as_deref().map(str::as_bytes);
    vec![
        known.caller.via.as_str().into(),
        if name.is_some() { b"named".to_vec() } else { Vec::new() },
        name.unwrap_or_default().to_vec(),
        known.caller.rights_text().into_bytes(),
    ]
}

/// A client that leaves ends nothing: what is on disk and what is in memory stay the same.
async fn detached(
    api: &Api,
    act: impl Future<Output = HandlerResult<Response>> + Send + 'static,
) -> HandlerResult<Response> {
    if api.acts.len() >= MOST_ACTS {
        return Err(ErrorResponse::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are in progress",
        ));
    }
    let done = api.acts.spawn(act).await;
    done.unwrap_or_else(|error| Err(ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error)))
}

async fn respond(claim: KeyClaim, request: Request, next: Next) -> HandlerResult<Response> {
    match claim {
        KeyClaim::New(claimed) => Ok(keep(claimed, next.run(request).await).await),
        KeyClaim::Replay(first) => Ok(replayed(first)),
        KeyClaim::Different => Err(ErrorResponse::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another request; use another key",
        )),
        KeyClaim::InProgress => Err(ErrorResponse::after(
            StatusCode::CONFLICT,
            1,
            "the first request with this Idempotency-Key is in progress; try again later",
        )),
        KeyClaim::ResponseUnknown => Err(ErrorResponse::new(
            StatusCode::CONFLICT,
            "a request with this Idempotency-Key was accepted before, and its response is not known: Herald was \
             stopped meanwhile, or it was too long. See the audit for what was done; to do it again, use another key",
        )),
    }
}

/// Keeps the response of an act. After one that says that nothing was done for now, the key can be used again.
async fn keep(claimed: ClaimedKey, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let is_short = body.size_hint().upper().is_some_and(|length| length <= LONGEST_RESPONSE as u64);
    if !is_short {
        // Dropped, the claim has no response.
        return Response::from_parts(parts, body);
    }
    let body = match read_whole(body, LONGEST_RESPONSE as u64, BODY_TIME).await {
        Ok(body) => body,
        Err(error) => return unread(&error).into_response(),
    };
    let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kept = if is_final(parts.status) {
        claimed
            .finish(FirstResponse {
                status: parts.status.as_u16(),
                content_type: text(CONTENT_TYPE),
                location: text(LOCATION),
                body: body.to_vec(),
            })
            .await
    } else {
        claimed.forget().await
    };
    if let Err(error) = kept {
        tracing::error!("{error}; a request that is sent again is answered 409");
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether the same request would not be answered otherwise later.
fn is_final(status: StatusCode) -> bool {
    let is_for_now = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
    );
    !is_for_now && !status.is_server_error()
}

fn replayed(first: FirstResponse) -> Response {
    let problem = serde_json::from_slice::<ProblemDetails>(&first.body).ok();
    let status = StatusCode::from_u16(first.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, first.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in [(CONTENT_TYPE, first.content_type), (LOCATION, first.location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(problem) = problem.filter(|_| status.is_client_error()) {
        // The page shows it as HTML.
        response.extensions_mut().insert(problem);
    }
    response
}

#[cfg(test)]
mod tests;
