//! The client of an HTTP server on a unix socket: one request, whose response is passed on as it comes.

use std::io;
use std::path::Path;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// One request.
#[derive(Debug, Clone)]
pub struct SocketRequest<'a> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// The body, as JSON.
    pub body: &'a str,
    /// The name and version of the client.
    pub user_agent: &'a str,
    /// The longest body of a response that is an error, in bytes.
    pub max_error: usize,
}

/// The reader of a response needs no more of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAborted(pub String);

/// Why a request was not answered as wanted.
#[derive(Debug, thiserror::Error)]
pub enum SocketRequestError {
    /// Nothing accepts connections there.
    #[error(transparent)]
    Connect(io::Error),
    /// The connection failed, or the reader of the response did.
    #[error("{0}")]
    Broken(String),
    /// The response is an error: its status and its body.
    #[error("the response is {0}")]
    Status(StatusCode, Bytes),
}

impl SocketRequestError {
    fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Sends a request to this socket, and passes the body of the response on as it comes.
///
/// # Errors
/// [`SocketRequestError`]
pub async fn request(
    socket: &Path,
    request: SocketRequest<'_>,
    take: impl FnMut(&[u8]) -> Result<(), ReadAborted>,
) -> Result<(), SocketRequestError> {
    let stream = UnixStream::connect(socket).await.map_err(SocketRequestError::Connect)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(SocketRequestError::broken)?;
    let sending = send(sender, request, take);
    tokio::pin!(connection);
    tokio::pin!(sending);
    tokio::select! {
        sent = &mut sending => sent,
        ended = &mut connection => {
            ended.map_err(SocketRequestError::broken)?;
            sending.await
        }
    }
}

async fn send(
    mut sender: SendRequest<Full<Bytes>>,
    request: SocketRequest<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), ReadAborted>,
) -> Result<(), SocketRequestError> {
    let built = Request::builder()
        .method(request.method)
        .uri(request.path)
        .header(HOST, "localhost")
        .header(USER_AGENT, request.user_agent)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(request.body.as_bytes())));
    let response = sender.send_request(built.map_err(SocketRequestError::broken)?).await;
    let response = response.map_err(SocketRequestError::broken)?;
    let status = response.status();
    let mut body = response.into_body();
    if !status.is_success() {
        let error = Limited::new(body, request.max_error).collect().await;
        let mut error = error.map_err(SocketRequestError::broken)?.aggregate();
        return Err(SocketRequestError::Status(status, error.copy_to_bytes(error.remaining())));
    }
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(SocketRequestError::broken)?.into_data() {
            take(&bytes).map_err(|ReadAborted(why)| SocketRequestError::Broken(why))?;
        }
    }
    Ok(())
}
