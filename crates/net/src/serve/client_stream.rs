//! A connection to a client that may be slow or careless.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::serve::bare_answer;
use crate::serve::head_clock::{HeadClock, HeadLimits};
use crate::serve::request_line::RequestLine;

/// How long a closed connection is read on so that the client sees the answer, and how much of it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// A stream that tolerates more and waits less. A URL may hold what should have been escaped. Writing fails when the
/// client reads nothing for too long. After an answer that was given before the whole request was read, closing first
/// reads on for a while: otherwise the kernel resets the connection, and the client, still writing, never sees the
/// answer.
pub(super) struct ClientStream<'a, S> {
    stream: S,
    request_line: RequestLine,
    longest_write: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// How the requests of the connection do.
    requests: &'a RequestProgress,
    head: HeadClock,
    /// How many heads were whole when it was looked at last.
    heads: u64,
    lingering: Option<Lingering>,
    /// What is written in place of an answer without a body, as far as it is not written.
    in_place: Vec<u8>,
}

/// How the requests of a connection do, as its server shows it.
#[derive(Debug, Default)]
pub(super) struct RequestProgress {
    /// Set once a request was answered early.
    pub(super) unread: AtomicBool,
    /// How many heads are whole.
    pub(super) heads: AtomicU64,
    /// Whether the request of the last one is being handled.
    pub(super) handled: AtomicBool,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientLimits {
    /// To read something of an answer.
    pub(super) write: Duration,
    /// To send the head of a request.
    pub(super) head: HeadLimits,
}

struct Lingering {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<'a, S> ClientStream<'a, S> {
    pub(super) fn new(stream: S, limits: ClientLimits, requests: &'a RequestProgress) -> Self {
        Self {
            stream,
            request_line: RequestLine::new(),
            longest_write: limits.write,
            stalled: None,
            requests,
            head: HeadClock::new(limits.head),
            heads: 0,
            lingering: None,
            in_place: Vec::new(),
        }
    }

    /// Whether what is written now does not come from a handler: nothing but a head is being read.
    fn answers_by_itself(&self) -> bool {
        self.requests.heads.load(Ordering::Relaxed) == self.heads && self.head.has_begun()
    }

    /// Lets a write that is not ready fail once it has taken too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let longest = self.longest_write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(longest)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> ClientStream<'_, S> {
    /// Reads and drops what still comes, within bounds.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingering =
            self.lingering.get_or_insert_with(|| Lingering { until: Box::pin(sleep(LINGER)), bytes: 0 });
        let mut space = [0; 8192];
        while lingering.bytes < LINGER_BYTES {
            if lingering.until.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => lingering.bytes += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let Self { stream, request_line, requests, head, heads, .. } = &mut *self;
        let before = buffer.filled().len();
        let read = request_line.poll_read(stream, cx, buffer);
        let whole = requests.heads.load(Ordering::Relaxed);
        if std::mem::replace(heads, whole) != whole {
            head.reset();
        }
        if requests.handled.load(Ordering::Relaxed) {
            return read;
        }
        if read.is_pending() {
            return head.poll_overdue(cx);
        }
        head.read(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> ClientStream<'_, S> {
    /// Writes all of what is to be written in place of something.
    fn poll_in_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.in_place.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.in_place);
            match ready!(self.in_time(cx, written))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => drop(self.in_place.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if self.in_place.is_empty()
            && self.answers_by_itself()
            && let Some(answer) = bare_answer::with_body(bytes)
        {
            self.in_place = answer;
            // The rest of what was no request is not read.
            self.requests.unread.store(true, Ordering::Relaxed);
        }
        if !self.in_place.is_empty() {
            ready!(self.poll_in_place(cx))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.lingering.is_none() {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.in_time(cx, closed))?;
        }
        if self.requests.unread.load(Ordering::Relaxed) {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let writer = tokio::spawn(async move {
            let second = Duration::from_secs(1);
            let head = HeadLimits { first_line: second, head: second };
            let limits = ClientLimits { write: Duration::from_secs(60), head };
            ClientStream::new(ours, limits, &RequestProgress::default()).write_all(&[0; 40]).await
        });
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(59)).await;
            theirs.read_exact(&mut [0; 8]).await.unwrap();
        }
        let before = Instant::now();
        let error = writer.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(before.elapsed() >= Duration::from_secs(59), "{:?}", before.elapsed());
    }
}
