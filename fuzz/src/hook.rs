//! What reaches an http trigger: request lines, heads, credentials, bodies.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use herald_base::value::Params;
use herald_net::serve::RequestLine;
use herald_webhook::auth::{Auth, Provider, RequestCredentials};
use herald_webhook::body::{BodyKind, KINDS};
use herald_webhook::path::Pattern;
use herald_webhook::recorded::RecordedRequest;
use herald_webhook::{delivery, ping};
use http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde::de::value::{Error, StrDeserializer};
use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};

/// The first bytes of a connection, in pieces whose size the first byte says. However they are cut, the result is the
/// same.
pub fn request_line(data: &[u8]) {
    let Some((size, sent)) = data.split_first() else { return };
    let whole = escaped(sent, sent.len().max(1));
    let in_pieces = escaped(sent, usize::from(*size).max(1));
    assert_eq!(whole, in_pieces, "in pieces of {size}");
}

fn escaped(sent: &[u8], size: usize) -> Vec<u8> {
    let mut line = RequestLine::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut read = Vec::new();
    for piece in sent.chunks(size) {
        let mut piece = Piece(piece);
        loop {
            let mut room = [0; 64];
            let mut buffer = ReadBuf::new(&mut room);
            match line.poll_read(&mut piece, &mut context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => break,
                Poll::Ready(Ok(())) => read.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(_)) | Poll::Pending => return read,
            }
        }
    }
    read
}

/// Bytes that are there at once.
struct Piece<'a>(&'a [u8]);

impl AsyncRead for Piece<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

/// A recorded request, with its whole body.
fn request(data: &[u8]) -> Option<Request<Bytes>> {
    let RecordedRequest(request) = RecordedRequest::read(data).ok()?;
    let (head, body) = request.into_parts();
    let body = body.collect().now_or_never()?.ok()?.to_bytes();
    Some(Request::from_parts(head, body))
}

/// A recorded request: request line, headers, body. What follows is what the trigger does before it asks for a
/// signature.
pub fn recorded_request(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let _ = delivery::id(request.headers());
    let _ = ping::ping(request.headers(), request.body());
    if let Ok(pattern) = Pattern::read("/hooks/{site}/{rest}") {
        let _ = pattern.captures(request.uri().path());
    }
}

/// A request to each provider: none of them has the secret.
pub fn hook_signature(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let credentials = RequestCredentials {
        headers: request.headers(),
        query: &[],
        body: request.body(),
        now: Timestamp::UNIX_EPOCH,
    };
    for provider in Provider::NAMES.into_iter().filter_map(Provider::named) {
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned();
        let auth = Auth::Provider(provider, vec![secret]);
        let _ = auth.delivery(&credentials, "/", true);
        assert!(auth.check_whole(&credentials).is_err(), "{provider:?}: nobody has the secret");
    }
}

/// A body as each kind that a trigger may be set to.
pub fn hook_body(data: &[u8]) {
    let Some(request) = request(data) else { return };
    for kind in KINDS {
        let kind = BodyKind::deserialize(StrDeserializer::<Error>::new(kind));
        let Ok(kind) = kind else { continue };
        if kind.takes(request.headers()).is_ok() {
            let above = Params::from_iter([("_request".to_owned(), Value::from("ours"))]);
            let read = kind.read::<Params>(request.headers(), request.body(), above, |text, above| {
                let mut params: Params = serde_json::from_str(text)?;
                params.extend(above);
                Ok(params)
            });
            if let Ok(params) = read {
                assert_eq!(params.get("_request"), Some(&Value::from("ours")), "nobody forges `_request`");
            }
        }
    }
}
