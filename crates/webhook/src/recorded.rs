//! Requests as they were recorded: the bytes of HTTP/1.1.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body_util::Full;

/// A request as it was recorded: the bytes of HTTP/1.1, with either kind of line end.
pub struct RecordedRequest(pub Request<Full<Bytes>>);

/// Why a recording is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RecordingError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl RecordingError {
    fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl RecordedRequest {
    /// Reads one. The body is all that follows the first empty line.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordingError> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            let line = std::str::from_utf8(line);
            lines.push(line.map_err(|_| RecordingError::at(lines.len() + 1, "not text (UTF-8)"))?);
        }
        let mut request = request_line(lines.first().copied().unwrap_or_default())?;
        for (n, line) in lines.iter().enumerate().skip(1) {
            let wrong = |what: &str| RecordingError::at(n + 1, what);
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("expected NAME: VALUE"))?;
            let name = HeaderName::try_from(name).map_err(|_| wrong("not a valid header name"))?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong("not a valid header value"))?;
            request.headers_mut().append(name, value);
        }
        *request.body_mut() = Full::from(rest.to_vec());
        Ok(Self(request))
    }
}

/// A request without headers and body.
fn request_line(line: &str) -> Result<Request<Full<Bytes>>, RecordingError> {
    let expected = || RecordingError::at(1, "expected a request line such as POST /hook HTTP/1.1");
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(expected()) };
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| expected())?;
    let uri = target.parse::<Uri>();
    *request.uri_mut() = uri.map_err(|error| RecordingError::at(1, format!("{target}: {error}")))?;
    let old = words.next().is_some_and(|version| version == "HTTP/1.0");
    *request.version_mut() = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_that_are_no_requests() {
        for (bytes, says) in [
            (&b""[..], "line 1"),
            (b"x\n\n", "line 1"),
            (b"GET / HTTP/1.1\nbad\n\n", "line 2: expected NAME"),
        ] {
            assert!(RecordedRequest::read(bytes).err().unwrap().to_string().contains(says));
        }
    }
}
