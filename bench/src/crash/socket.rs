//! The control socket of a daemon.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program::Program;

/// Time limit for an answer.
const ANSWER: Duration = Duration::from_secs(120);
/// Time limit for a daemon to be ready: processes of the previous one can need some seconds to end.
const READY: Duration = Duration::from_secs(30);

/// A GET of JSON on the control socket.
pub(crate) fn get(socket: &Path, path: &str) -> Result<(u16, Value)> {
    let (status, body) = get_text(socket, path)?;
    Ok((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
}

/// A GET on the control socket.
pub(crate) fn get_text(socket: &Path, path: &str) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("{}", socket.display()))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.take(64 << 20).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

/// Waits until a daemon answers on its control socket: then it has recovered, and has its own ways with signals.
pub(crate) fn wait_until_it_answers(daemon: &mut Program, socket: &Path) -> Result<()> {
    while get(socket, "/healthz").is_err() {
        ensure!(!daemon.has_ended()?, "the daemon ended while it started:\n{}", daemon.last_lines());
        ensure!(daemon.started.elapsed() < READY, "the daemon is not ready:\n{}", daemon.last_lines());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
