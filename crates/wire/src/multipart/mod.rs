//! multipart/form-data, written and read as a stream.

pub mod disposition;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;

use crate::multipart::disposition::{Disposition, DispositionError};

/// How many bytes may pass while the head of a part is looked for. What a connection delivers at a time counts whole,
/// so this is far more than any head needs.
const MAX_HEAD: usize = 2 * 1024 * 1024;

/// Why a multipart answer was refused.
#[derive(Debug, thiserror::Error)]
pub enum MultipartError {
    /// The body is not a multipart body, or is truncated.
    #[error("the multipart answer cannot be read: {0}")]
    Malformed(String),
    /// A part's Content-Disposition is wrong.
    #[error(transparent)]
    Disposition(#[from] DispositionError),
    /// A part that is to be short is too long.
    #[error("the part `{name}` of the answer is larger than {limit} bytes")]
    Large {
        /// Which part.
        name: String,
        /// How many bytes it may have.
        limit: usize,
    },
}

impl From<multer::Error> for MultipartError {
    fn from(error: multer::Error) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self::Malformed(text)
    }
}

/// A boundary that no file contains but by a chance of 2^-128.
///
/// # Errors
/// When the system gives no randomness.
pub fn boundary() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(format!("herald-{}", hex::encode(bytes)))
}

/// The Content-Type of a multipart body.
#[must_use]
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary={boundary}")
}

/// The bytes before the content of a part; `headers` come after the two that every part has.
#[must_use]
pub fn part_head(
    boundary: &str,
    first: bool,
    disposition: &Disposition,
    content_type: &str,
    headers: &[(&str, &str)],
) -> Bytes {
    let mut head = Vec::with_capacity(256);
    if !first {
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: ").as_bytes());
    head.extend_from_slice(&disposition.to_header());
    head.extend_from_slice(format!("\r\nContent-Type: {content_type}\r\n").as_bytes());
    for (name, value) in headers {
        head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// The bytes after the last part.
#[must_use]
pub fn end(boundary: &str) -> Bytes {
    format!("\r\n--{boundary}--\r\n").into()
}

/// Hands on one piece of the body at a time. Without it multer would first take in everything that is there, which
/// from a fast sender is a whole file.
struct Paced<S> {
    stream: S,
    rest: bool,
    head_bytes: Arc<AtomicUsize>,
}

impl<S, E> Stream for Paced<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rest {
            self.rest = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_next(cx);
        let Poll::Ready(item) = polled else { return Poll::Pending };
        let Some(item) = item else { return Poll::Ready(None) };
        let bytes = match item {
            Ok(bytes) => bytes,
            Err(error) => return Poll::Ready(Some(Err(error.into()))),
        };
        if self.head_bytes.fetch_add(bytes.len(), Ordering::Relaxed) > MAX_HEAD {
            return Poll::Ready(Some(Err("the head of a part does not end".into())));
        }
        self.rest = true;
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// Reads a multipart body part by part, in constant memory.
pub struct MultipartReader {
    multipart: multer::Multipart<'static>,
    head_bytes: Arc<AtomicUsize>,
}

impl MultipartReader {
    /// Of a body with this Content-Type.
    ///
    /// # Errors
    /// When it is not multipart/form-data with a boundary.
    pub fn new<S, E>(content_type: &str, body: S) -> Result<Self, MultipartError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let boundary = multer::parse_boundary(content_type)?;
        let head_bytes = Arc::new(AtomicUsize::new(0));
        let paced = Paced { stream: body, rest: false, head_bytes: head_bytes.clone() };
        Ok(Self { multipart: multer::Multipart::new(paced, boundary), head_bytes })
    }

    /// The next part. The one before must have been read to its end.
    ///
    /// # Errors
    /// When the body is truncated or not a multipart body.
    pub async fn next_part(&mut self) -> Result<Option<MultipartPart>, MultipartError> {
        self.head_bytes.store(0, Ordering::Relaxed);
        let Some(field) = self.multipart.next_field().await? else { return Ok(None) };
        let header = field.headers().get(http::header::CONTENT_DISPOSITION);
        let header = header.ok_or(DispositionError::Nameless)?;
        let disposition = Disposition::parse(header.as_bytes())?;
        Ok(Some(MultipartPart { disposition, field, head_bytes: self.head_bytes.clone() }))
    }
}

/// One part of a multipart body.
pub struct MultipartPart {
    /// Its name and that of its file.
    pub disposition: Disposition,
    field: multer::Field<'static>,
    head_bytes: Arc<AtomicUsize>,
}

impl MultipartPart {
    /// All its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.field.headers()
    }

    /// The next piece of its content; never empty.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        loop {
            self.head_bytes.store(0, Ordering::Relaxed);
            match self.field.chunk().await? {
                Some(chunk) if chunk.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    /// Its whole content, when that is at most `limit` bytes.
    ///
    /// # Errors
    /// When it is longer or the body breaks off.
    pub async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, MultipartError> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > limit {
                return Err(MultipartError::Large { name: self.disposition.name.clone(), limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDARY: &str = "herald-00";

    type Parts = Vec<(Disposition, Vec<u8>)>;

    fn written(parts: &Parts) -> Vec<u8> {
        let mut body = Vec::new();
        for (n, (disposition, content)) in parts.iter().enumerate() {
            let kind = if n == 0 { "application/json" } else { "application/octet-stream" };
            body.extend_from_slice(&part_head(BOUNDARY, n == 0, disposition, kind, &[]));
            body.extend_from_slice(content);
        }
        body.extend_from_slice(&end(BOUNDARY));
        body
    }

    async fn read(body: &[u8], piece: usize) -> Result<Parts, MultipartError> {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            body.chunks(piece.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut reader = MultipartReader::new(&content_type(BOUNDARY), futures_util::stream::iter(pieces))?;
        let mut parts = Vec::new();
        while let Some(mut part) = reader.next_part().await? {
            let content = part.bytes(1 << 20).await?;
            parts.push((part.disposition.clone(), content));
        }
        Ok(parts)
    }

    fn sample() -> Parts {
        let file = |name: &str, sum: &str, content: &[u8]| {
            let disposition = Disposition {
                name: name.to_owned(),
                filename: Some(format!("{name}.dat")),
                sha256sum: Some(sum.to_owned()),
            };
            (disposition, content.to_vec())
        };
        vec![
            (Disposition::field("result"), b"{\"exit_code\":0}".to_vec()),
            file("file1", "e3b0", b""),
            file("file2", "00", b"\r\n--herald-0\r\n\r\n--herald-\r--herald-00-\n"),
            file("file \"3\"", "00", b"\x00\xff\r"),
        ]
    }

    #[tokio::test]
    async fn the_golden_body_in_pieces_of_any_size() {
        let body = written(&sample());
        assert_eq!(body, include_bytes!("../../tests/golden/v1-multipart.bin"));
        for piece in 1..=body.len() {
            assert_eq!(read(&body, piece).await.unwrap(), sample(), "{piece}");
        }
    }

    /// A body that breaks off anywhere before its last boundary is complete must never pass as a whole one.
    #[tokio::test]
    async fn truncation_is_found_at_every_byte() {
        let body = written(&sample());
        for length in 0..body.len() - 2 {
            for piece in [1, 7, body.len()] {
                assert!(read(&body[..length], piece).await.is_err(), "{length} of {} by {piece}", body.len());
            }
        }
    }

    #[tokio::test]
    async fn bounds_hold() {
        let (disposition, _) = sample().remove(0);
        let body = written(&vec![(disposition.clone(), vec![b'x'; (1 << 20) + 1])]);
        assert!(matches!(read(&body, 65_536).await, Err(MultipartError::Large { .. })));

        let mut endless = format!("--{BOUNDARY}\r\nX: ").into_bytes();
        endless.resize(8 << 20, b'x');
        let error = read(&endless, 65_536).await.unwrap_err().to_string();
        assert!(error.contains("does not end"), "{error}");

        assert!(
            MultipartReader::new(
                "application/json",
                futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::new())])
            )
            .is_err()
        );
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(boundary().unwrap(), boundary().unwrap());
        assert!(multer::parse_boundary(content_type(&boundary().unwrap())).is_ok());
    }
}
