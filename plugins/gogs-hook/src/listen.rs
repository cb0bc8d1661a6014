//! Listeners: a TCP port, a unix socket.

use std::fs::{File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_core::trigger::ComponentError;
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream, lookup_host};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;
/// How often, and how long apart, to ask for the folder's lock, which others hold for moments only.
const LOCK_TRIES: (u32, Duration) = (50, Duration::from_millis(40));
/// How long the owner of a socket may take to let a connection in.
const ANSWER: Duration = Duration::from_secs(2);

/// What connections come in on.
pub(crate) struct Listeners {
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) unix: Option<Socket>,
}

impl Listeners {
    /// Where it listens, for people.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let tcp = self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok()).map(|at| at.to_string());
        let unix = self.unix.as_ref().map(|unix| format!("unix:{}", unix.path.display()));
        tcp.into_iter().chain(unix).collect()
    }
}

/// A unix socket; its file goes with it, if it is still the same file.
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // When it cannot be removed, the next start finds a dead socket and replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Listens on a TCP port.
pub(crate) async fn tcp(host: &str, port: u16) -> Result<TcpListener, ComponentError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let failed = |error: std::io::Error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => {
                "the port is taken; set another `port`, or stop the program that has it".to_owned()
            }
            ErrorKind::AddrNotAvailable => {
                "no network interface here has that address; set another `host`".to_owned()
            }
            ErrorKind::PermissionDenied => "not allowed; take a `port` from 1024 on".to_owned(),
            _ => error.to_string(),
        };
        ComponentError(format!("cannot listen on {host}, port {port}: {advice}"))
    };
    let addresses: Vec<_> = lookup_host((bare, port)).await.map_err(failed)?.collect();
    TcpListener::bind(&addresses[..]).await.map_err(failed)
}

/// Listens on a unix socket that only its owner can connect to. What a dead program left behind is replaced.
pub(crate) async fn unix(path: &Path) -> Result<Socket, ComponentError> {
    let failed =
        |why: String| ComponentError(format!("cannot listen on the socket {}: {why}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder)
        .map_err(|error| failed(format!("its folder cannot be opened ({error}); make it first")))?;
    // Two that find the same dead socket must not both replace it. Let go at the end of this function.
    lock(&folder).await.map_err(failed)?;
    clear(path).await.map_err(failed)?;
    let plain = |error: std::io::Error| failed(error.to_string());
    let socket = UnixSocket::new_stream().map_err(plain)?;
    socket.bind(path).map_err(plain)?;
    let ready = identity(path).and_then(|identity| {
        // Nobody can connect before `listen`.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Socket { listener: socket.listen(BACKLOG)?, path: path.to_owned(), identity })
    });
    ready.map_err(|error| {
        let _ = std::fs::remove_file(path);
        plain(error)
    })
}

async fn lock(folder: &File) -> Result<(), String> {
    for _ in 0..LOCK_TRIES.0 {
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_TRIES.1).await,
            Err(TryLockError::Error(error)) => return Err(format!("its folder cannot be locked: {error}")),
        }
    }
    Err("another program keeps its folder locked (flock)".to_owned())
}

/// Makes the path free, if what is there is a socket that nobody serves.
async fn clear(path: &Path) -> Result<(), String> {
    let there = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| error.to_string())?,
    };
    if !there.file_type().is_socket() {
        return Err("a file that is no socket is there; move it away, or take another path".to_owned());
    }
    match tokio::time::timeout(ANSWER, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| format!("the old socket cannot be removed: {error}"))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Somebody lives there, or it cannot be known.
        _ => Err("another program serves it; stop that program, or take another path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = unix(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = unix(&path).await.err().unwrap();
        assert!(error.0.contains("another program serves it"), "{error}");
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_dead_sockets_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = unix(&path).await.unwrap();
        // What took its place meanwhile is not removed with it.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        drop(socket);
        let error = unix(&path).await.err().unwrap();
        assert!(error.0.contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let error = unix(&folder.path().join("none/s")).await.err().unwrap();
        assert!(error.0.contains("make it first"), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let first = tcp("127.0.0.1", 0).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let error = tcp("127.0.0.1", port).await.err().unwrap();
        assert!(error.0.contains(&port.to_string()) && error.0.contains("taken"), "{error}");
    }
}
