//! The way to a running daemon: its control socket.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use herald_base::os_error;
use herald_base::system::user::{USERS, name_in};
use herald_net::socket_client::{self, SocketRequest, SocketRequestError};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::command_output::{BAD_INPUT, CommandOutput, FAILED};
use crate::places::config_places;
use crate::places::listening_sockets;
use crate::places::socket_folder;
use crate::places::state_dir::{self, WrittenStateDir};
pub use herald_net::socket_client::ReadAborted;

/// No daemon responds.
pub const NOBODY: u8 = 3;
pub use crate::command_output::NOT_FOUND;
/// How long an answer may take, and how long it may be.
const DEADLINE: Duration = Duration::from_secs(30);
const LARGEST: usize = 64 << 20;
/// How long another daemon may take to say which configuration it has.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(500);
const USER_AGENT: &str = concat!("heraldd-cli/", env!("CARGO_PKG_VERSION"));

/// Why something is done
#[derive(Debug, Args)]
pub struct Reason {
    /// Why, in your own words: recorded with what is done, and shown by `heraldd job`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Reason {
    /// A path of the API with the reason in its query.
    pub fn put(&self, path: String) -> String {
        let Some(reason) = &self.reason else { return path };
        let mark = if path.contains('?') { '&' } else { '?' };
        let mut query = form_urlencoded::Serializer::new(String::new());
        format!("{path}{mark}{}", query.append_pair("reason", reason).finish())
    }
}

/// Which daemon is asked
#[derive(Debug, Args)]
pub struct DaemonSocket {
    /// The daemon's control socket. Default: `$HERALD_SOCKET`, else `heraldd.sock` in the state_dir
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    socket: Option<PathBuf>,
    /// The daemon's configuration, whose state_dir has the socket
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl DaemonSocket {
    /// That of the daemon with this configuration.
    #[must_use]
    pub fn of_config(config: &Path) -> Self {
        Self { socket: None, config: Some(config.to_owned()) }
    }

    /// That with this socket, else of this configuration, else the default one.
    #[must_use]
    pub fn at(socket: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        Self { socket, config }
    }

    fn socket(&self) -> Result<PathBuf, CommandOutput> {
        let named = || std::env::var_os("HERALD_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(socket) = self.socket.clone().or_else(|| self.config.is_none().then(named).flatten()) {
            return Ok(socket);
        }
        // The daemon that was started without a file has the default one, too.
        let config = self.config.clone().or_else(|| config_places::or_default(None).ok());
        let written = match &config {
            Some(path) => state_dir::written(path).map_err(|wrong| CommandOutput::refused(&wrong))?,
            None => None,
        };
        let folder = match written {
            Some(WrittenStateDir::Memory) => config.as_deref().map(private_folder).transpose()?,
            Some(WrittenStateDir::Folder(folder)) => Some(folder),
            None => state_dir::default(),
        };
        folder.map(|folder| folder.join("heraldd.sock")).ok_or_else(|| {
            CommandOutput::refused(
                &"heraldd: the daemon's socket is unknown; name it with --socket, or the daemon's configuration with -c",
            )
        })
    }

    /// The folder of the socket, which is the `state_dir`, where no daemon listens there.
    #[must_use]
    pub fn folder_of_stopped(&self) -> Option<PathBuf> {
        let socket = self.socket().ok()?;
        match std::os::unix::net::UnixStream::connect(&socket) {
            Err(error) if is_nobody(&error) => socket.parent().map(Path::to_owned),
            _ => None,
        }
    }

    /// Asks the daemon. The answer of the error kind is ready to be given.
    pub fn ask(&self, method: Method, path: &str, body: Option<&str>) -> Result<Value, CommandOutput> {
        self.ask_within(DEADLINE, method, path, body)
    }

    /// The same; `deadline` is how long the whole response may take.
    pub fn ask_within(
        &self,
        deadline: Duration,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<Value, CommandOutput> {
        let mut said = Vec::new();
        let limited = |bytes: &[u8]| {
            said.extend_from_slice(bytes);
            if said.len() <= LARGEST {
                Ok(())
            } else {
                Err(ReadAborted("the response is too long".to_owned()))
            }
        };
        self.exchange(method, path, body.unwrap_or_default(), Some(deadline), limited)?;
        serde_json::from_slice(&said).map_err(|_| {
            failed("heraldd: unexpected response of the daemon: not JSON (version mismatch?)".to_owned())
        })
    }

    /// Asks the daemon, and gives the answer on as it comes, however long that takes.
    pub fn follow(
        &self,
        path: &str,
        take: impl FnMut(&[u8]) -> Result<(), ReadAborted>,
    ) -> Result<(), CommandOutput> {
        self.exchange(Method::GET, path, "", None, take)
    }

    /// `deadline`: how long the whole response may take.
    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: &str,
        deadline: Option<Duration>,
        take: impl FnMut(&[u8]) -> Result<(), ReadAborted>,
    ) -> Result<(), CommandOutput> {
        let socket = self.socket()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(format!("heraldd: {error}")))?;
        let deadline = deadline.unwrap_or(Duration::MAX);
        let request = SocketRequest { method, path, body, user_agent: USER_AGENT, max_error: LARGEST };
        let exchange =
            async { tokio::time::timeout(deadline, socket_client::request(&socket, request, take)).await };
        let at = |why: String| format!("heraldd: {}: {why}", socket.display());
        match runtime.block_on(exchange) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(SocketRequestError::Connect(error))) => {
                let why = at(unreachable(&socket, &error));
                let elsewhere = (deadline >= DEADLINE && is_nobody(&error)).then(|| self.elsewhere(&socket));
                Err(nobody(
                    elsewhere.flatten().map_or(why.clone(), |elsewhere| format!("{why}\n{elsewhere}")),
                ))
            }
            Ok(Err(SocketRequestError::Broken(why))) => Err(failed(at(why))),
            Ok(Err(SocketRequestError::Status(status, problem))) => Err(refused(status, &problem)),
            Err(_) => Err(nobody(format!("heraldd: no response within {} s", deadline.as_secs()))),
        }
    }
}

impl DaemonSocket {
    /// That a daemon runs with this configuration as it was before its `state_dir` was changed. It listens in the old
    /// one; that it is the same is what it says itself.
    fn elsewhere(&self, socket: &Path) -> Option<String> {
        if self.socket.is_some() {
            return None;
        }
        let config =
            self.config.clone().or_else(|| config_places::or_default(None).ok())?.canonicalize().ok()?;
        let (found, info) = listening_sockets::others(socket).into_iter().find_map(|path| {
            let other = Self::at(Some(path.clone()), None);
            let info = other.ask_within(LOOK_ELSEWHERE, Method::GET, "/v1/info", None).ok()?;
            let its = Path::new(info.get("config")?.as_str()?).canonicalize().ok()?;
            (its == config).then_some((path, info))
        })?;
        let (pid, folder) = (info.get("pid")?.as_u64()?, found.parent()?.display());
        Some(format!(
            "heraldd: a daemon (pid {pid}) runs with this configuration as it was, with the state_dir {folder}: a \
             changed state_dir takes effect when the daemon is started again. Until then ask it with  --socket {}",
            found.display()
        ))
    }
}

/// Whether nobody listens on a socket.
fn is_nobody(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Where the daemon with this configuration listens that has no `state_dir`. In a folder that another user made nobody
/// is asked: what is typed may be a secret.
fn private_folder(config: &Path) -> Result<PathBuf, CommandOutput> {
    let folder = socket_folder::path(config);
    match socket_folder::check(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CommandOutput::refused(&format_args!(
            "heraldd: {}: {error}; remove it, or name the daemon's socket with --socket",
            folder.display()
        ))),
        _ => Ok(folder),
    }
}

fn failed(why: String) -> CommandOutput {
    CommandOutput { out: String::new(), remarks: why, code: FAILED }
}

fn nobody(why: String) -> CommandOutput {
    CommandOutput { code: NOBODY, ..failed(why) }
}

fn refused(status: StatusCode, problem: &[u8]) -> CommandOutput {
    let said: Value = serde_json::from_slice(problem).unwrap_or_default();
    let detail = said.get("detail").and_then(Value::as_str).unwrap_or("request rejected");
    let candidates = said.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = match status {
        StatusCode::NOT_FOUND => NOT_FOUND,
        _ if !candidates.is_empty() => NOT_FOUND,
        // Of an argument, or of the configuration that is to be applied.
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            BAD_INPUT
        }
        _ => FAILED,
    };
    let candidates = candidates.iter().filter_map(Value::as_str).map(|id| format!("\n  {id}"));
    CommandOutput { code, ..failed(format!("heraldd: {detail}{}", candidates.collect::<String>())) }
}

/// Why there is no connection to this socket.
fn unreachable(socket: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "no heraldd listens here; start it, or name its socket with --socket or its configuration with -c"
                .to_owned()
        }
        ErrorKind::PermissionDenied => {
            denied(owner(socket), &std::fs::read_to_string(USERS).unwrap_or_default())
        }
        _ => os_error::plain(&error.to_string()),
    }
}

/// The user of the socket; where that cannot be seen either, of the folder that hides it.
fn owner(socket: &Path) -> Option<u32> {
    socket.ancestors().find_map(|path| path.symlink_metadata().ok()).map(|found| found.uid())
}

/// The user of this command must not connect; `users` is what names users.
fn denied(owner: Option<u32>, users: &str) -> String {
    let name = |uid| name_in(users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    match owner.map(name) {
        Some(root) if root == "root" => {
            "permission denied: the daemon's socket belongs to root; run this command as root".to_owned()
        }
        Some(user) => {
            format!(
                "permission denied: the daemon's socket belongs to {user}; run this command as {user} or as root"
            )
        }
        None => "permission denied: run this command as the user of the daemon, or as root".to_owned(),
    }
}

/// A part of a path, whatever is in it.
pub fn step(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_connect_is_said() {
        let users = "root:x:0:0::/root:/bin/sh\nherald:x:990:990::/:/bin/false\n";
        for (owner, says) in [
            (Some(0), "belongs to root; run this command as root"),
            (Some(990), "belongs to herald; run this command as herald or as root"),
            (Some(7), "belongs to uid 7; run this command as uid 7 or as root"),
            (None, "run this command as the user of the daemon, or as root"),
        ] {
            let said = denied(owner, users);
            assert!(said.starts_with("permission denied: ") && said.ends_with(says), "{said}");
        }
    }

    #[test]
    fn what_hides_the_socket_has_an_owner() {
        let folder = tempfile::tempdir().unwrap();
        let uid = folder.path().metadata().unwrap().uid();
        assert_eq!(owner(&folder.path().join("heraldd.sock")), Some(uid));
    }
}
