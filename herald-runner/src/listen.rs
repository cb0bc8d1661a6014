//! Where the runner listens: TCP, a unix socket, or both.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use herald_net::tls::ServerTls;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};

use crate::config::Listen;

/// How many connections to the unix socket may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A listening socket.
pub enum Listener {
    /// TCP, in the clear or over TLS.
    Tcp(TcpListener, Option<ServerTls>),
    /// A unix socket, which is removed when the runner stops.
    Unix(UnixListener),
}

/// A connection.
pub enum Stream {
    /// TCP, with the TLS that is to be spoken over it.
    Tcp(TcpStream, Option<ServerTls>),
    /// A unix socket.
    Unix(UnixStream),
}

impl Listener {
    /// The next connection.
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                // Without these an answer waits, and a peer that lost its power is never missed.
                stream.set_nodelay(true)?;
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                rustix::net::sockopt::set_tcp_keepidle(&stream, std::time::Duration::from_secs(60))?;
                Ok(Stream::Tcp(stream, tls.clone()))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// The sockets of a runner, and how to name them.
pub struct Listeners {
    /// The sockets.
    pub list: Vec<Listener>,
    /// Where they are, for people.
    pub names: Vec<String>,
    /// The address of the TCP one.
    pub address: Option<SocketAddr>,
    socket: Option<SocketFile>,
}

/// Opens them all.
///
/// # Errors
/// When one cannot be opened; says which and why.
pub async fn open(listen: &Listen) -> anyhow::Result<Listeners> {
    let mut listeners = Listeners { list: Vec::new(), names: Vec::new(), address: None, socket: None };
    if let Some((host, port)) = &listen.tcp {
        let listener = TcpListener::bind((host.as_str(), *port))
            .await
            .with_context(|| format!("cannot listen on {host}:{port}"))?;
        let address = listener.local_addr().with_context(|| format!("cannot listen on {host}:{port}"))?;
        let tls = match listen.tls.clone() {
            Some(files) => Some(tokio::task::spawn_blocking(move || ServerTls::load(files)).await??),
            None => None,
        };
        listeners.names.push(format!("{address}{}", if tls.is_some() { " over TLS" } else { "" }));
        listeners.address = Some(address);
        listeners.list.push(Listener::Tcp(listener, tls));
    }
    if let Some(path) = &listen.unix_socket {
        let (listener, file) = bind_unix(path, listen.unix_socket_mode)
            .await
            .with_context(|| format!("cannot listen on the unix socket {}", path.display()))?;
        listeners.names.push(path.display().to_string());
        listeners.socket = Some(file);
        listeners.list.push(Listener::Unix(listener));
    }
    Ok(listeners)
}

/// Removes the socket's file when it is still ours.
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|inode| inode == self.inode) {
            // At exit there is nobody to tell.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

async fn bind_unix(path: &Path, mode: u32) -> anyhow::Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            bail!("a file that is not a socket stands there; it is not replaced");
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => bail!("another program listens there"),
        // Left behind by a runner that was killed.
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile { path: path.to_owned(), inode: identity(path)? };
    // Nobody can connect before `listen`, so that no connection ever meets another mode.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok((socket.listen(BACKLOG)?, file))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Somebody tries to connect all the time, and looks at the mode when that works. It finds the fault only by
    /// chance, hence the many rounds; each has a name of its own, so that what is looked at is what was connected to.
    #[tokio::test]
    async fn nobody_connects_before_the_socket_has_its_mode() {
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
}
