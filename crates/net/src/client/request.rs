//! A request, read from the parameters that describe it.

use std::time::Duration;

use bytes::Bytes;
use herald_base::unit;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::Url;
use serde_json::{Map, Value};

use super::expected_status::ExpectedStatus;
use super::invalid_request::InvalidRequest;
use super::request_parts::{SentBody, add_auth, add_query, headers, set_if_absent, url};

/// How long a request takes at most, where it does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest response, where the request does not say.
const MAX_RESPONSE: u64 = 1 << 20;
/// The header by which a server knows a request that it has seen.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a request needs besides its parameters.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// The URL, where it is not among the parameters.
    pub url: Option<&'a str>,
    /// The value of `Idempotency-Key`, unless the parameters hold one.
    pub idempotency_key: &'a str,
}

/// A request that can be sent.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// GET, POST…
    pub method: Method,
    /// Where it goes, without user and password.
    pub url: Url,
    /// All headers of its own.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Option<Bytes>,
    /// How long it may take, redirects and response included.
    pub timeout: Duration,
    /// Which responses are a success.
    pub expect: ExpectedStatus,
    /// How many redirects are followed.
    pub follow_redirects: u64,
    /// The longest body of a response, in bytes.
    pub max_response: u64,
}

impl HttpRequest {
    /// Reads `method`, `url`, `query`, `headers`, `json`, `form`, `body`, `auth`, `expect`, `timeout`, `max_response`
    /// and `follow_redirects`.
    ///
    /// # Errors
    /// The first parameter that is wrong.
    pub fn read(params: &Map<String, Value>, context: RequestContext<'_>) -> Result<Self, InvalidRequest> {
        let given = |name: &str| params.get(name).filter(|value| !value.is_null());
        let mut target = url(given("url"), context.url)?;
        add_query(&mut target.url, given("query"))?;
        let mut headers = headers(given("headers"))?;
        let body = SentBody::read(params)?;
        if let Some(content_type) = body.as_ref().map(|body| body.content_type) {
            set_if_absent(&mut headers, "content-type", HeaderValue::from_static(content_type));
        }
        add_auth(&mut headers, given("auth"), target.user.as_ref())?;
        if let Ok(key) = HeaderValue::from_str(context.idempotency_key) {
            set_if_absent(&mut headers, IDEMPOTENCY_KEY, key);
        }
        let unit_error =
            |name: &'static str| move |error: unit::UnitError| InvalidRequest::new(name, error.to_string());
        Ok(Self {
            method: method(given("method"), body.is_some())?,
            url: target.url,
            headers,
            body: body.map(|body| body.bytes),
            timeout: given("timeout")
                .map_or(Ok(TIMEOUT), |time| unit::duration(time).map_err(unit_error("timeout")))?,
            expect: given("expect").map_or_else(|| Ok(ExpectedStatus::default()), ExpectedStatus::read)?,
            follow_redirects: given("follow_redirects").and_then(Value::as_u64).unwrap_or(0),
            max_response: given("max_response")
                .map_or(Ok(MAX_RESPONSE), |size| unit::size(size).map_err(unit_error("max_response")))?,
        })
    }

    /// Whether this is the name of a method that a request can have.
    ///
    /// # Errors
    /// Why not.
    pub fn check_method(name: &str) -> Result<(), InvalidRequest> {
        method(Some(&Value::from(name)), false).map(drop)
    }

    /// The scheme, host and port that it is sent to: what can be shown of a URL that may be secret.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(&self.url)
    }
}

/// Scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn method(given: Option<&Value>, has_body: bool) -> Result<Method, InvalidRequest> {
    let wrong = |why: &str| Err(InvalidRequest::new("method", why));
    match given {
        None if has_body => Ok(Method::POST),
        None => Ok(Method::GET),
        Some(Value::String(name)) if name == "CONNECT" || name == "TRACE" => {
            wrong("CONNECT and TRACE are for proxies and tests; use another method")
        }
        Some(Value::String(name))
            if (1..=32).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') =>
        {
            Method::from_bytes(name.as_bytes()).or_else(|_| wrong("this is not a valid method"))
        }
        Some(_) => wrong("expected a method in capital letters, such as POST"),
    }
}

#[cfg(test)]
mod tests;
