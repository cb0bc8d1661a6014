//! Output of a program, bounded whatever it prints.

use herald_base::output::{Output, Stream};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much room a read makes: output is mostly short.
const CHUNK: usize = 4 << 10;
/// How much is thrown away at once past the limit.
const WASTE: usize = 64 << 10;

/// Where a stream goes while it is read.
#[derive(Clone, Copy)]
pub(crate) struct Tap<'a> {
    pub(crate) output: &'a dyn Output,
    pub(crate) stream: Stream,
}

impl Tap<'_> {
    async fn give(&self, bytes: &[u8]) {
        self.output.write(self.stream, bytes).await;
    }
}

/// What a program printed on one stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, up to the limit.
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

impl Captured {
    /// As text: what is not UTF-8 becomes U+FFFD, and a character that the limit cut in two is left out.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = self.bytes.as_slice();
        if self.truncated
            && let Some(last) = bytes.utf8_chunks().last()
            && bytes.ends_with(last.invalid())
            && std::str::from_utf8(last.invalid()).is_err_and(|e| e.error_len().is_none())
        {
            bytes = &bytes[..bytes.len() - last.invalid().len()];
        }
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Reads to the end of the stream, and gives on all of it. What was read stays in `self` when the future is
    /// dropped.
    pub(crate) async fn fill(&mut self, stream: Option<impl AsyncRead + Unpin>, limit: usize, tap: Tap<'_>) {
        let Some(mut stream) = stream else { return };
        while self.bytes.len() < limit {
            let before = self.bytes.len();
            self.bytes.reserve(CHUNK.min(limit - before));
            // A stream that breaks has ended: there is nothing to tell apart for the reader of the result.
            match (&mut stream).take((limit - before) as u64).read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => tap.give(self.bytes.get(before..).unwrap_or_default()).await,
            }
        }
        let mut waste = vec![0; 1];
        while let Ok(read @ 1..) = stream.read(&mut waste).await {
            self.truncated = true;
            tap.give(waste.get(..read).unwrap_or_default()).await;
            waste.resize(WASTE, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use herald_base::output::NoOutput;

    use super::*;

    async fn captured(input: &[u8], limit: usize) -> Captured {
        let mut captured = Captured::default();
        let tap = Tap { output: &NoOutput, stream: Stream::Stdout };
        captured.fill(Some(input), limit, tap).await;
        captured
    }

    #[derive(Default)]
    struct Kept(std::sync::Mutex<Vec<u8>>);

    #[async_trait]
    impl Output for Kept {
        async fn write(&self, stream: Stream, bytes: &[u8]) {
            assert_eq!(stream, Stream::Stderr);
            self.0.lock().unwrap().extend_from_slice(bytes);
        }
    }

    #[tokio::test]
    async fn gives_on_all_of_it_past_the_limit_too() {
        let input: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for limit in [0, 1, 4096, 5000, 1 << 20] {
            let kept = Kept::default();
            let tap = Tap { output: &kept, stream: Stream::Stderr };
            Captured::default().fill(Some(input.as_slice()), limit, tap).await;
            assert!(*kept.0.lock().unwrap() == input, "{limit}");
        }
    }

    #[tokio::test]
    async fn keeps_the_first_bytes() {
        for (input, limit, kept, truncated) in [
            ("", 4, "", false),
            ("abc", 4, "abc", false),
            ("abcd", 4, "abcd", false),
            ("abcde", 4, "abcd", true),
            ("abc", 0, "", true),
            ("", 0, "", false),
            ("aäb", 2, "a", true),
            ("aä", 3, "aä", false),
        ] {
            let captured = captured(input.as_bytes(), limit).await;
            assert_eq!((captured.text().as_str(), captured.truncated), (kept, truncated), "{input} {limit}");
            assert!(captured.bytes.len() <= limit);
        }
    }

    #[tokio::test]
    async fn is_bounded_and_lossy() {
        let captured_all = captured(&vec![b'x'; 3 << 20], 1 << 20).await;
        assert_eq!((captured_all.bytes.len(), captured_all.truncated), (1 << 20, true));
        assert!(captured_all.bytes.capacity() <= 2 << 20);
        assert_eq!(captured(b"a\xffb", 9).await.text(), "a\u{fffd}b");
        assert_eq!(captured(b"ab\xc3", 9).await.text(), "ab\u{fffd}");
    }
}
