//! Sends one request and reads its response: redirects and the length of the body have limits.
//!
//! A redirect is followed only where the request says so, never from https to http, and what proves who the sender is
//! stays with the origin that it was meant for.

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use reqwest::{Client, Response, Url};

use super::connect_error::reason;
use super::request::{HttpRequest, origin};

/// A response.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The scheme, host and port that it came from.
    pub origin: String,
}

/// Why there is no response. No text holds more of a URL than scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No response began.
    #[error("{origin}: {why}")]
    NoResponse {
        /// Where it was sent.
        origin: String,
        /// Why.
        why: String,
    },
    /// The response did not come to its end.
    #[error("{origin}: the response is incomplete: {why}")]
    Truncated {
        /// Where it came from.
        origin: String,
        /// Why.
        why: String,
    },
    /// The response is too long.
    #[error("{origin}: the response ({status}) is larger than {limit} bytes (max_response)")]
    TooLarge {
        /// Where it came from.
        origin: String,
        /// Its status.
        status: StatusCode,
        /// The limit in bytes.
        limit: u64,
    },
    /// A redirect that is not followed.
    #[error("{origin}: {why}")]
    Redirect {
        /// Where it came from.
        origin: String,
        /// Why not.
        why: String,
    },
}

/// Sends the request, follows as many redirects as it allows, and reads the response. It takes as long as it takes:
/// drop it at the end of the request's `timeout`.
///
/// # Errors
/// [`ExchangeError`]
pub async fn exchange(client: &Client, mut request: HttpRequest) -> Result<HttpAnswer, ExchangeError> {
    let mut followed = 0;
    loop {
        let sent = client.request(request.method.clone(), request.url.clone());
        let sent = sent.headers(request.headers.clone());
        let sent = match &request.body {
            Some(body) => sent.body(body.clone()),
            None => sent,
        };
        let response = sent
            .send()
            .await
            .map_err(|error| ExchangeError::NoResponse { origin: request.origin(), why: reason(&error) })?;
        match target(&response, &request)? {
            Some(url) if request.follow_redirects > 0 => {
                if followed == request.follow_redirects {
                    let why = format!("redirected more than {followed} times (follow_redirects)");
                    return Err(ExchangeError::Redirect { origin: request.origin(), why });
                }
                followed += 1;
                redirect(&mut request, url, response.status());
            }
            _ => return read(response, &request).await,
        }
    }
}

/// Where a response redirects to, where redirects are followed.
fn target(response: &Response, request: &HttpRequest) -> Result<Option<Url>, ExchangeError> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    if request.follow_redirects == 0 {
        return Ok(None);
    }
    let refused =
        |why: &str| ExchangeError::Redirect { origin: request.origin(), why: format!("the redirect {why}") };
    let location = std::str::from_utf8(location.as_bytes()).ok();
    let mut url = location
        .and_then(|location| request.url.join(location).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| refused("does not lead to a valid http:// or https:// URL"))?;
    if request.url.scheme() == "https" && url.scheme() == "http" {
        return Err(refused("leads from https to http, which is not followed"));
    }
    // A user that the server names proves nothing.
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| refused("does not lead to a valid http:// or https:// URL"))?;
    Ok(Some(url))
}

/// The next request.
fn redirect(request: &mut HttpRequest, url: Url, status: StatusCode) {
    const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
    let keeps_body = matches!(status.as_u16(), 307 | 308);
    let is_read = request.method == Method::GET || request.method == Method::HEAD;
    // As browsers and curl do it.
    if !keeps_body && !is_read && (status.as_u16() == 303 || request.method == Method::POST) {
        request.method = Method::GET;
        request.body = None;
        request.headers.remove(CONTENT_TYPE);
        request.headers.remove(CONTENT_ENCODING);
    }
    if origin(&url) != request.origin() {
        let harmless = [ACCEPT, CONTENT_TYPE, CONTENT_ENCODING, IDEMPOTENCY_KEY];
        let kept = harmless.into_iter().filter_map(|name| {
            let value = request.headers.get(&name)?.clone();
            Some((name, value))
        });
        request.headers = kept.collect();
    }
    request.url = url;
}

async fn read(mut response: Response, request: &HttpRequest) -> Result<HttpAnswer, ExchangeError> {
    let (status, origin) = (response.status(), request.origin());
    let too_large =
        || ExchangeError::TooLarge { origin: request.origin(), status, limit: request.max_response };
    if response.content_length().is_some_and(|length| length > request.max_response)
        && request.method != Method::HEAD
    {
        return Err(too_large());
    }
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|error| ExchangeError::Truncated { origin: request.origin(), why: reason(&error) })?;
        let Some(chunk) = chunk else { break };
        if (body.len() + chunk.len()) as u64 > request.max_response {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpAnswer { status, headers, body: body.freeze(), origin })
}
