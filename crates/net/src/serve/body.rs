//! Request bodies, whole, within bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

/// A body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is too long")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke, or the body's framing did.
    #[error("the body could not be read: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// Reads a body of at most `most` bytes that arrives as a whole within `deadline`. A body that announces that it
/// is longer is refused before it is read.
///
/// # Errors
/// [`BodyError`].
pub async fn read_whole<B>(mut body: B, most: u64, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    if body.size_hint().lower() > most {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| BodyError::Broken(error.into()))?.into_data() else {
                continue;
            };
            if (first.len() + rest.len() + data.len()) as u64 > most {
                return Err(BodyError::TooLarge);
            }
            // Nearly every body is one piece, and is not copied.
            if first.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&data);
            }
            if body.is_end_stream() {
                break;
            }
        }
        if rest.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::from(first);
        whole.unsplit(rest);
        Ok(whole.freeze())
    };
    timeout(deadline, read).await.unwrap_or(Err(BodyError::TooSlow))
}
