//! The socket of a connection, shared between what reads and writes it and who waits for its end.

use std::fmt;
use std::io::{ErrorKind, IoSlice, Result};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// How long it takes at most until the end of a connection is seen behind something unread.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    /// Something: another request, or the end of a TLS session.
    Bytes,
    /// The end: the client sends nothing more.
    End,
}

/// A socket that shows that its client has closed its side.
pub(super) trait ClientSocket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// What there is to read, as soon as there is something.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Readable>;

    /// Whether the client has closed its side, although there is something to read.
    fn is_hung_up(&self) -> bool;
}

impl ClientSocket for TcpStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Readable> {
        let socket = &*self;
        poll_peek(|| socket.poll_read_ready(cx), || socket.try_io(Interest::READABLE, || peek(socket)))
    }

    fn is_hung_up(&self) -> bool {
        hung_up(self)
    }
}

impl ClientSocket for UnixStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Readable> {
        let socket = &*self;
        poll_peek(|| socket.poll_read_ready(cx), || socket.try_io(Interest::READABLE, || peek(socket)))
    }

    fn is_hung_up(&self) -> bool {
        hung_up(self)
    }
}

impl ClientSocket for TlsStream<TcpStream> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Readable> {
        self.get_mut().0.poll_readable(cx)
    }

    fn is_hung_up(&self) -> bool {
        hung_up(self.get_ref().0)
    }
}

/// Peeks once the socket is ready, and waits again where there was nothing after all.
fn poll_peek(
    mut is_ready: impl FnMut() -> Poll<Result<()>>,
    mut peek: impl FnMut() -> Result<usize>,
) -> Poll<Readable> {
    loop {
        if ready!(is_ready()).is_err() {
            return Poll::Ready(Readable::End);
        }
        if let Some(readable) = peeked(peek()) {
            return Poll::Ready(readable);
        }
    }
}

/// How many bytes can be read, one at most.
fn peek(socket: impl AsFd) -> Result<usize> {
    let (length, _) = rustix::net::recv(socket, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(length)
}

/// `None`: look again once there may be something.
fn peeked(read: Result<usize>) -> Option<Readable> {
    match read {
        Ok(0) => Some(Readable::End),
        Ok(_) => Some(Readable::Bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(_) => Some(Readable::End),
    }
}

fn hung_up(socket: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::RDHUP)];
    // A socket that cannot be asked is over as well.
    rustix::event::poll(&mut polled, Some(&Timespec::default())).map_or(true, |hung_up| hung_up > 0)
}

/// The socket; one task uses all handles to it.
pub(super) struct SharedSocket<S>(Arc<Mutex<S>>);

impl<S> SharedSocket<S> {
    pub(super) fn new(socket: S) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    fn socket(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: ClientSocket> SharedSocket<S> {
    /// Another handle, to wait for the end of the connection.
    pub(super) fn end(&self) -> ConnectionEnd {
        ConnectionEnd(self.0.clone())
    }
}

/// Waits for the end of a connection.
#[derive(Clone)]
pub(super) struct ConnectionEnd(Arc<Mutex<dyn ClientSocket>>);

impl fmt::Debug for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionEnd")
    }
}

impl ConnectionEnd {
    /// Resolves once the client sends nothing more.
    pub(super) async fn closed(&self) {
        loop {
            let readable = std::future::poll_fn(|cx| self.socket().poll_readable(cx)).await;
            if readable == Readable::End || self.socket().is_hung_up() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn socket(&self) -> MutexGuard<'_, dyn ClientSocket + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SharedSocket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut *self.socket()).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SharedSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut *self.socket()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut *self.socket()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut *self.socket()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut *self.socket()).poll_shutdown(cx)
    }
}
