//! Unix sockets: made with the right mode before anybody can connect, never in the place of a file that is no
//! socket, never in the place of a socket that somebody serves; removed at the end if it is still ours.

use std::fs::{File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_core::trigger::ComponentError;
use tokio::net::{UnixListener, UnixStream};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How often, and how long apart, to ask for the folder's lock; others hold it for moments only.
const LOCK_TRIES: (u32, Duration) = (50, Duration::from_millis(40));
/// How long a socket's owner may take to let a connection wait in its queue.
const ANSWER: Duration = Duration::from_secs(2);

/// A unix socket that this process listens on. Its file is removed when this is dropped, if it is still the same.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl UnixSocket {
    /// The socket's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // The listener still holds the inode here, so that its number cannot have gone to another file.
        let ours = identity(&self.path).is_ok_and(|now| now == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove the socket {}: {error}", self.path.display());
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Listens on a unix socket whose file has this mode from the first connection on. The folder must exist. A
/// socket that a program left behind when it ended is replaced.
///
/// # Errors
/// One sentence that names the path and what to do.
pub async fn bind_unix(path: &Path, mode: u32) -> Result<UnixSocket, ComponentError> {
    let failed =
        |what: String| ComponentError(format!("cannot listen on the socket {}: {what}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).map_err(|error| {
        failed(format!("its folder {} cannot be opened ({error}); make it first", folder.display()))
    })?;
    // Between looking at an old socket and making ours nobody else may do the same, or one would steal the
    // other's: both would find the old one dead.
    lock(&folder).await.map_err(&failed)?;
    make_room(path).await.map_err(&failed)?;
    let socket = tokio::net::UnixSocket::new_stream().map_err(|error| failed(error.to_string()))?;
    socket.bind(path).map_err(|error| failed(explain(&error)))?;
    let made = identity(path)
        .and_then(|identity| {
            // Nobody can connect before `listen`, so that no connection ever meets another mode.
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
            Ok((identity, socket.listen(BACKLOG)?))
        })
        .map_err(|error| {
            let _ = std::fs::remove_file(path);
            failed(error.to_string())
        })?;
    Ok(UnixSocket { listener: made.1, path: path.to_owned(), identity: made.0 })
}

/// Takes the folder's lock; it goes with the file handle.
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

/// Removes a socket that nobody serves any more; anything else in the way is an error.
async fn make_room(path: &Path) -> Result<(), String> {
    let there = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(there) => there,
    };
    if !there.file_type().is_socket() {
        return Err(
            "there is a file of that name that is no socket; move it away or take another path".to_owned()
        );
    }
    match tokio::time::timeout(ANSWER, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| format!("the old socket cannot be removed: {error}"))
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
            Err("a socket of another user is there; remove it or take another path".to_owned())
        }
        // Connected, too busy to connect, or something that is not ours to judge: somebody lives there.
        _ => Err("another program serves it; stop that program or take another path".to_owned()),
    }
}

fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::InvalidInput => "the path is too long; sockets take about a hundred bytes".to_owned(),
        ErrorKind::PermissionDenied => "not allowed to write to its folder".to_owned(),
        ErrorKind::AddrInUse => "another program has just made it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn has_its_mode_and_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for wanted in [0o600, 0o660, 0o666] {
            let path = folder.path().join("s");
            let socket = bind_unix(&path, wanted).await.unwrap();
            assert_eq!(mode(&path), wanted);
            assert_eq!(socket.path(), path);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_living_socket_is_not_stolen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = bind_unix(&path, 0o600).await.unwrap();
        let error = bind_unix(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("another program serves it") && error.contains("/s"), "{error}");
        assert!(path.exists());
        drop(first);
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = bind_unix(&path, 0o600).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
        drop(socket);
    }

    #[tokio::test]
    async fn of_many_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let tries = futures_util::future::join_all((0..8).map(|_| bind_unix(&path, 0o600))).await;
        assert_eq!(tries.iter().filter(|made| made.is_ok()).count(), 1);
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let target = folder.path().join("target");
        std::fs::write(&path, "precious").unwrap();
        let error = bind_unix(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(bind_unix(&path, 0o600).await.is_err());
        assert!(!target.exists());
    }

    #[tokio::test]
    async fn what_took_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = bind_unix(&path, 0o600).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = bind_unix(&folder.path().join("none/s"), 0o600).await.unwrap_err().to_string();
        assert!(error.contains("make it first"), "{error}");
        let error = bind_unix(&folder.path().join("x".repeat(200)), 0o600).await.unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}
