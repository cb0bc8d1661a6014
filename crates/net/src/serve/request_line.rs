//! The first request line of a connection, with what should have been escaped.
//!
//! People type `curl -g 'http://…?d={"shell":"…"}'`, and curl sends the quotation marks as they are, which the HTTP
//! library does not accept. In the URL of a GET they mean nothing else, so they are escaped here. Later requests on the
//! same connection come from programs, which escape by themselves.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

const GET: &[u8] = b"GET ";

/// The first request line of a connection, while it is read: what should have been escaped in its URL is.
pub struct RequestLine {
    at: RequestPosition,
    /// What was escaped and had no room yet.
    pending: Vec<u8>,
}

#[derive(Clone, Copy)]
enum RequestPosition {
    /// So many bytes of [`GET`] have come.
    Method(usize),
    /// In the URL.
    Url,
    /// All the rest goes through as it is.
    Behind,
}

impl Default for RequestLine {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestLine {
    /// Of a connection of which nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self { at: RequestPosition::Method(0), pending: Vec::new() }
    }

    /// Reads from the stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.pending.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(cx, buffer))?;
            if let Some(escaped) = self.escape(&buffer.filled()[before..]) {
                buffer.set_filled(before);
                self.pending = escaped;
            }
        }
        let fits = self.pending.len().min(buffer.remaining());
        buffer.put_slice(&self.pending[..fits]);
        self.pending.drain(..fits);
        Poll::Ready(Ok(()))
    }

    /// What the bytes should have been. `None`: just that.
    fn escape(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut at = 0;
        while let (RequestPosition::Method(seen), Some(byte)) = (self.at, bytes.get(at)) {
            self.at = match GET.get(seen) {
                Some(expected) if expected == byte && seen + 1 == GET.len() => RequestPosition::Url,
                Some(expected) if expected == byte => RequestPosition::Method(seen + 1),
                _ => RequestPosition::Behind,
            };
            at += 1;
        }
        let RequestPosition::Url = self.at else { return None };
        let end = bytes[at..].iter().position(|byte| *byte == b'\n').map(|length| at + length);
        if end.is_some() {
            self.at = RequestPosition::Behind;
        }
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if !line[at..].iter().any(|byte| b"\"<>".contains(byte)) {
            return None;
        }
        let mut escaped = Vec::with_capacity(bytes.len() + 64);
        for byte in line {
            match byte {
                b'"' | b'<' | b'>' => escaped.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => escaped.push(*byte),
            }
        }
        escaped.extend_from_slice(rest);
        Some(escaped)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Gives its pieces one by one.
    struct Pieces(VecDeque<Vec<u8>>, RequestLine);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            let Self(pieces, request_line) = &mut *self;
            let mut piece: &[u8] = pieces.front().map_or(&[], Vec::as_slice);
            let before = piece.len();
            let read = request_line.poll_read(&mut piece, cx, buffer);
            let taken = before - piece.len();
            if let Some(front) = pieces.front_mut() {
                front.drain(..taken);
                if front.is_empty() {
                    pieces.pop_front();
                }
            }
            read
        }
    }

    #[tokio::test]
    async fn only_the_url_of_a_first_get_is_escaped() {
        for (sent, expected) in [
            (
                "GET /?d={\"a\":\"<b>\"} HTTP/1.1\r\nX: \"x\"\r\n\r\n",
                "GET /?d={%22a%22:%22%3Cb%3E%22} HTTP/1.1\r\nX: \"x\"\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nX: \"x\"\r\n\r\nGET /\" HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nX: \"x\"\r\n\r\nGET /\" HTTP/1.1\r\n\r\n",
            ),
            ("POST /\" HTTP/1.1\r\n\r\n{\"a\":1}", "POST /\" HTTP/1.1\r\n\r\n{\"a\":1}"),
            ("GETS /\" HTTP/1.1\r\n\r\n", "GETS /\" HTTP/1.1\r\n\r\n"),
            ("GE", "GE"),
            ("", ""),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let pieces = sent.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
                let mut read = Vec::new();
                // Little room at a time as well.
                let mut stream = Pieces(pieces, RequestLine::new()).take(u64::MAX);
                let mut room = [0; 5];
                loop {
                    match stream.read(&mut room[..1 + size % 5]).await.unwrap() {
                        0 => break,
                        length => read.extend_from_slice(&room[..length]),
                    }
                }
                assert_eq!(String::from_utf8(read).unwrap(), expected, "in pieces of {size}");
            }
        }
    }
}
