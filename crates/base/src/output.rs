//! What a program writes while it runs, and what takes it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// One of the two streams that a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The name for it in the API, on the wire and in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Takes what a running job writes, as it comes.
#[async_trait]
pub trait Output: Send + Sync + 'static {
    /// Takes some bytes, which may end anywhere, also within a character. While this waits the program does too, once
    /// its pipe is full; the call is given up once the program is gone. Limits and secrets are the affair of the
    /// implementation.
    async fn write(&self, stream: Stream, bytes: &[u8]);

    /// What was taken so far comes again from its beginning: an earlier process took it, and did not know how far it
    /// had come.
    async fn restart(&self) {}

    /// The attempt is over: what was taken can be read by others when this returns. MUST return within a bounded
    /// time.
    async fn close(&self) {}
}

/// Takes output and forgets it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutput;

#[async_trait]
impl Output for NoOutput {
    async fn write(&self, _: Stream, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_name() {
        for stream in [Stream::Stdout, Stream::Stderr] {
            assert_eq!(serde_json::to_value(stream).unwrap(), stream.as_str());
        }
    }
}
