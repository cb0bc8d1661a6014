//! The way to a running daemon: its control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Buf, Bytes};
use clap::Args;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::answer::{Answer, FAILED};
use crate::{config, state_dir};

/// Nothing is known under this name or id.
pub(super) const NOT_FOUND: u8 = 4;
/// How long an answer may take, and how long it may be.
const DEADLINE: Duration = Duration::from_secs(30);
const LARGEST: usize = 64 << 20;

/// Which daemon is asked
#[derive(Debug, Args)]
pub(super) struct Daemon {
    /// The daemon's control socket. Default: `$HERALD_SOCKET`, else `heraldd.sock` in the state_dir
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    socket: Option<PathBuf>,
    /// The daemon's configuration, whose state_dir has the socket
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl Daemon {
    fn socket(&self) -> Result<PathBuf, Answer> {
        let named = || std::env::var_os("HERALD_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(socket) = self.socket.clone().or_else(|| self.config.is_none().then(named).flatten()) {
            return Ok(socket);
        }
        let written = match &self.config {
            Some(path) => {
                let source = config::read(path)
                    .map_err(|wrong| Answer::refused(&crate::loading::Wrong::from(wrong)))?;
                config::written_state_dir(&source).map(str::to_owned)
            }
            None => None,
        };
        let folder = match written.as_deref() {
            Some("none") => {
                let why = "heraldd: with `state_dir: none` a daemon has no control socket";
                return Err(Answer::refused(&why));
            }
            Some(folder) => Some(state_dir::absolute(Path::new(folder))),
            None => state_dir::default(),
        };
        folder.map(|folder| folder.join("heraldd.sock")).ok_or_else(|| {
            Answer::refused(
                &"heraldd: where is the daemon's socket? Name it with --socket, or its configuration with -c",
            )
        })
    }

    /// Asks the daemon. The answer of the error kind is ready to be given.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&str>) -> Result<Value, Answer> {
        let socket = self.socket()?;
        let failed = |why: String| Answer { out: String::new(), remarks: why, code: FAILED };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(format!("heraldd: {error}")))?;
        let asked = runtime.block_on(async {
            tokio::time::timeout(DEADLINE, exchange(&socket, method, path, body.unwrap_or_default())).await
        });
        let (status, bytes) = match asked {
            Ok(Ok(answered)) => answered,
            Ok(Err(why)) => return Err(failed(format!("heraldd: {}: {why}", socket.display()))),
            Err(_) => return Err(failed(format!("heraldd: no answer within {} s", DEADLINE.as_secs()))),
        };
        let said: Value = serde_json::from_slice(&bytes)
            .map_err(|_| failed(format!("heraldd: {} answers something else than JSON", socket.display())))?;
        if status.is_success() {
            return Ok(said);
        }
        let detail = said.get("detail").and_then(Value::as_str).unwrap_or("it was refused");
        let code = if status == http::StatusCode::NOT_FOUND { NOT_FOUND } else { FAILED };
        Err(Answer { code, ..failed(format!("heraldd: {detail}")) })
    }
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: &str,
) -> Result<(http::StatusCode, Bytes), String> {
    let stream = tokio::net::UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            "no heraldd listens here; start it, or name its socket with --socket or its configuration with -c"
                .to_owned()
        }
        _ => error.to_string(),
    })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let asking = async {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let mut body = body.map_err(|error| error.to_string())?.aggregate();
        Ok((status, body.copy_to_bytes(body.remaining())))
    };
    tokio::pin!(connection);
    tokio::pin!(asking);
    tokio::select! {
        asked = &mut asking => asked,
        ended = &mut connection => {
            ended.map_err(|error| error.to_string())?;
            asking.await
        }
    }
}

/// A part of a path, whatever is in it.
pub(super) fn step(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
