//! Why a request creates no event, and the response to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{self, HostError, JsonReply, error_reply, json_reply};
use herald_webhook::auth::AuthError;
use herald_webhook::body::UnusableBody;
use herald_webhook::delivery::InvalidDeliveryId;

/// Why a request creates no event.
#[derive(Debug)]
pub enum RejectedRequest {
    /// The rule about `Host`.
    Host(HostError),
    /// The address of the client is not allowed.
    Address,
    /// A web page of another site made a browser send it.
    CrossSite,
    /// Another method than these.
    Method(Vec<Method>),
    /// The sender did not prove who it is.
    Denied {
        /// Why not.
        denied: AuthError,
        /// The address of the client.
        client: IpAddr,
        /// Browsers are to ask for a password.
        basic: bool,
    },
    /// The body is not what the trigger accepts.
    Body(UnusableBody),
    /// The body is compressed.
    Compressed,
    /// The body is longer than `max_body`, in bytes.
    TooLarge(u64),
    /// The body did not arrive in time.
    TooSlow(Duration),
    /// Bodies that are being received take all the memory that there is for them.
    NoRoom,
    /// The connection failed while the body was read.
    Unreadable(String),
    /// The body has a key that describes the requests of web hooks.
    Reserved,
    /// The header that names the delivery is not valid.
    DeliveryId(InvalidDeliveryId),
    /// A sender only tries whether the receiver answers; the response that it expects.
    Ping(Value),
}

impl RejectedRequest {
    /// Why a body could not be read.
    #[must_use]
    pub fn of_body(error: &serve::BodyError, max_body: u64, body_time: Duration) -> Self {
        match error {
            serve::BodyError::TooLarge => Self::TooLarge(max_body),
            serve::BodyError::TooSlow => Self::TooSlow(body_time),
            serve::BodyError::NoRoom => Self::NoRoom,
            serve::BodyError::Broken(error) => Self::Unreadable(error.to_string()),
        }
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Address | Self::CrossSite | Self::Host(HostError::NotAllowed) => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied { .. } => StatusCode::UNAUTHORIZED,
            Self::Body(UnusableBody::Type(_)) | Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Host(HostError::Missing)
            | Self::Body(UnusableBody::Content(_))
            | Self::Unreadable(_)
            | Self::Reserved
            | Self::DeliveryId(_) => StatusCode::BAD_REQUEST,
            Self::Ping(_) => StatusCode::OK,
        }
    }

    /// For people.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Host(HostError::Missing) => "exactly one Host header is required".to_owned(),
            Self::Host(HostError::NotAllowed) => {
                "this Host is not allowed; if requests are sent to that name, add it to `allowed_hosts`".to_owned()
            }
            Self::Address => "requests from this address are not allowed".to_owned(),
            Self::CrossSite => {
                "cross-site browser request rejected; to accept it, give the trigger an `auth` other than `basic`"
                    .to_owned()
            }
            Self::Method(methods) => {
                let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
                format!("method not allowed; use {}", names.join(" or "))
            }
            Self::Denied { denied, .. } => denied.to_string(),
            Self::Body(error) => error.to_string(),
            Self::DeliveryId(error) => error.to_string(),
            Self::Reserved => {
                "the key `_request` is reserved for what Herald says about a request; leave it out of the body".to_owned()
            }
            Self::Compressed => {
                "compressed bodies are not accepted; send the body without Content-Encoding".to_owned()
            }
            Self::TooLarge(max_body) => format!("the body is longer than max_body, {max_body} bytes"),
            Self::TooSlow(limit) => format!("the body did not arrive within {} s", limit.as_secs_f64()),
            Self::NoRoom => serve::BodyError::NoRoom.to_string(),
            Self::Unreadable(error) => format!("the body could not be read: {error}"),
            Self::Ping(_) => "a ping is answered and creates no event".to_owned(),
        }
    }

    /// The response.
    #[must_use]
    pub fn reply(&self) -> JsonReply {
        if let Self::Ping(response) = self {
            return json_reply(StatusCode::OK, response.to_string());
        }
        let mut reply = error_reply(self.status(), &self.why());
        match self {
            Self::Method(methods) => {
                let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
                if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
                    reply.headers_mut().insert(ALLOW, allow);
                }
            }
            Self::NoRoom => {
                reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Denied { basic: true, .. } => {
                let challenge = HeaderValue::from_static("Basic realm=\"herald\", charset=\"UTF-8\"");
                reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        reply
    }
}

/// The log lines of rejected requests: of each status one a second, with how many others there were.
#[derive(Debug, Clone, Default)]
pub struct RejectionLog(Arc<Mutex<BTreeMap<u16, RepeatedLog>>>);

impl RejectionLog {
    /// Writes this line, now or at the end of the second; it is given how many others with this status came.
    ///
    /// Call it inside a runtime.
    pub fn write(&self, status: StatusCode, line: impl FnOnce(Option<u64>) + Send + 'static) {
        // A status is one of a handful.
        let log =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(status.as_u16()).or_default().clone();
        log.write(move |others| line((others > 0).then_some(others)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_status_has_a_line_a_second() {
        let (log, lines) = (RejectionLog::default(), Arc::new(Mutex::new(Vec::new())));
        for status in [404, 415, 404, 404, 415, 413] {
            let (status, lines) = (StatusCode::from_u16(status).unwrap(), lines.clone());
            log.write(status, move |others| lines.lock().unwrap().push((status.as_u16(), others)));
        }
        assert_eq!(*lines.lock().unwrap(), [(404, None), (415, None), (413, None)]);
        tokio::time::sleep(Duration::from_millis(1001)).await;
        let mut rest = lines.lock().unwrap()[3..].to_vec();
        rest.sort_unstable();
        assert_eq!(rest, [(404, Some(1)), (415, None)]);
    }
}
