//! Unix sockets: made with the right mode before anybody can connect, never in the place of a file that is not a
//! socket, never in the place of a socket that somebody serves; removed at the end if it is still ours.

use std::ffi::OsString;
use std::fs::{File, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_base::private_file::open_private;
use tokio::net::{UnixListener, UnixStream};

use crate::listen::error::{ListenError, ListenReason};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How often, and how long apart, to ask for the lock; others hold it for moments only.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(40);
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

    pub(crate) fn listener(&self) -> &UnixListener {
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
/// Names the path and what to do.
pub async fn bind_unix(path: &Path, mode: u32) -> Result<UnixSocket, ListenError> {
    bind(path, mode).await.map_err(|reason| reason.at(format!("the socket {}", path.display())))
}

/// Gives a socket that is in use another mode.
///
/// # Errors
/// Names the path and what to do.
pub fn set_unix_mode(path: &Path, mode: u32) -> Result<(), ListenError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
        ListenReason::system("its permissions cannot be changed: ", &error)
            .at(format!("the socket {}", path.display()))
    })
}

async fn bind(path: &Path, mode: u32) -> Result<UnixSocket, ListenReason> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Err(error) = std::fs::metadata(folder) {
        let before = format!("cannot open its folder {}: ", folder.display());
        return Err(ListenReason::system(&before, &error).help("create the folder first"));
    }
    // Between looking at an old socket and making ours nobody else may do the same, or one would steal the
    // other's: both would find the old one dead.
    let _lock = lock(folder, path).await?;
    remove_stale(path).await?;
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(path).map_err(explain)?;
    let made = identity(path)
        .and_then(|identity| {
            // Nobody can connect before `listen`, so that no connection ever meets another mode.
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
            Ok((identity, socket.listen(BACKLOG)?))
        })
        .map_err(|error| {
            let _ = std::fs::remove_file(path);
            ListenReason::from(error)
        })?;
    Ok(UnixSocket { listener: made.1, path: path.to_owned(), identity: made.0 })
}

/// Held while an old socket is looked at and ours is made. It is on a file of its own, which others cannot open:
/// everybody who can read a file or a folder can lock it.
#[derive(Debug)]
struct SocketLock {
    file: File,
    path: PathBuf,
}

impl Drop for SocketLock {
    fn drop(&mut self) {
        // Still locked: who has opened it sees that it is another file than the one of this name.
        if is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether this is the file of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |about: std::fs::Metadata| Ok((about.dev(), about.ino()) == identity(path)?);
    file.metadata().and_then(same).unwrap_or(false)
}

/// Takes the lock of a socket: the file `.NAME.lock` beside it.
async fn lock(folder: &Path, socket: &Path) -> Result<SocketLock, ListenReason> {
    let mut name = OsString::from(".");
    name.push(socket.file_name().unwrap_or_default());
    name.push(".lock");
    let path = folder.join(name);
    for _ in 0..LOCK_TRIES {
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => return Ok(SocketLock { file, path }),
            // Who held it has removed it.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => {
                return Err(ListenReason::system(&format!("cannot lock {}: ", path.display()), &error));
            }
        }
    }
    Err(ListenReason::new(format!("another program holds the lock {}", path.display())))
}

fn open_lock(path: &Path) -> Result<File, ListenReason> {
    let shown = path.display();
    let foreign = || {
        ListenReason::new(format!("its lock file {shown} belongs to another user"))
            .help(format!("remove it: rm {shown}"))
    };
    let file = match open_private(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied && identity(path).is_ok() => {
            return Err(foreign());
        }
        Err(error) if error.kind() == ErrorKind::Other => {
            let help = format!("remove it: rm {shown}");
            return Err(
                ListenReason::system(&format!("cannot use its lock file {shown}: "), &error).help(help)
            );
        }
        other => other.map_err(explain)?,
    };
    let is_own = file.metadata()?.uid() == rustix::process::geteuid().as_raw();
    if is_own { Ok(file) } else { Err(foreign()) }
}

/// Removes a socket that nobody serves any more; anything else in the way is an error.
async fn remove_stale(path: &Path) -> Result<(), ListenReason> {
    let there = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(there) => there,
    };
    if !there.file_type().is_socket() {
        return Err(ListenReason::new("exists and is not a socket").help("move it away or use another path"));
    }
    match tokio::time::timeout(ANSWER, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|error| ListenReason::system("cannot remove the stale socket: ", &error)),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
            Err(ListenReason::new("a socket of another user exists").help("remove it or use another path"))
        }
        // Connected, too busy to connect, or an error that does not show that nobody listens.
        _ => {
            Err(ListenReason::new("another program serves it").help("stop that program or use another path"))
        }
    }
}

fn explain(error: std::io::Error) -> ListenReason {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => {
            ListenReason::new("the path is too long").help("use one of at most 100 bytes")
        }
        ErrorKind::PermissionDenied => ListenReason::new("no permission to write to its folder"),
        ErrorKind::AddrInUse => ListenReason::new("another program has just created it"),
        _ => error.into(),
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

    /// Somebody tries to connect all the time, and looks at the mode when that works. It finds the fault only by
    /// chance, hence the many rounds; each has a name of its own, so that what is looked at is what was connected to.
    #[tokio::test]
    async fn nobody_connects_before_the_socket_has_its_mode() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        const ROUNDS: usize = 3000;
        let folder = tempfile::tempdir().unwrap();
        let path = |round: usize| folder.path().join(round.to_string());
        let now = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut wrong = 0;
                loop {
                    let round = now.load(Ordering::Relaxed);
                    if round == ROUNDS {
                        return wrong;
                    }
                    if std::os::unix::net::UnixStream::connect(path(round)).is_ok() {
                        let meta = std::fs::symlink_metadata(path(round));
                        wrong +=
                            usize::from(meta.is_ok_and(|meta| meta.permissions().mode() & 0o777 != 0o600));
                    }
                }
            });
            let mut made = 0;
            for round in 0..ROUNDS {
                now.store(round, Ordering::Relaxed);
                let socket = futures_util::FutureExt::now_or_never(bind_unix(&path(round), 0o600));
                made += usize::from(matches!(socket, Some(Ok(_))));
            }
            now.store(ROUNDS, Ordering::Relaxed);
            assert_eq!((made, watcher.join().unwrap()), (ROUNDS, 0));
        });
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
    async fn nobody_can_hold_up_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let lock = folder.path().join(".s.lock");
        // Everybody who can read the folder can do this.
        let held = File::open(folder.path()).unwrap();
        held.try_lock().unwrap();
        drop(bind_unix(&path, 0o600).await.unwrap());
        assert!(!lock.exists());
        let own = super::lock(folder.path(), &path).await.unwrap();
        assert_eq!(mode(&lock), 0o600);
        let waiting = bind_unix(&path, 0o600);
        let (socket, ()) = tokio::join!(waiting, async {
            tokio::time::sleep(LOCK_PAUSE).await;
            drop(own);
        });
        drop(socket.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_lock_file_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (path, lock) = (folder.path().join("s"), folder.path().join(".s.lock"));
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        let error = bind_unix(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("symbolic link") && error.contains("rm "), "{error}");
        assert!(!target.exists());
        std::fs::remove_file(&lock).unwrap();
        std::fs::write(&lock, "").unwrap();
        // What a Herald that was killed left behind.
        drop(bind_unix(&path, 0o600).await.unwrap());
        std::fs::write(&lock, "").unwrap();
        if std::os::unix::fs::chown(&lock, Some(1234), None).is_err() {
            eprintln!("skipped: only root can give a file to another user");
            return;
        }
        let error = bind_unix(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("belongs to another user") && error.contains("rm "), "{error}");
        assert!(lock.exists());
    }

    #[tokio::test]
    async fn other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let target = folder.path().join("target");
        std::fs::write(&path, "precious").unwrap();
        let error = bind_unix(&path, 0o600).await.unwrap_err().to_string();
        assert!(error.contains("not a socket"), "{error}");
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
        assert!(error.contains("create the folder first"), "{error}");
        let error = bind_unix(&folder.path().join("x".repeat(200)), 0o600).await.unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}
