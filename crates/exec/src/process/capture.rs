//! Output of a program, bounded whatever it prints.

use herald_base::output::{Output, Stream};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much room a read makes: output is mostly short.
const CHUNK: usize = 4 << 10;
/// How much is thrown away at once past the limit.
const WASTE: usize = 64 << 10;

/// The last bytes of a stream that are kept past the limit: a last line is in them.
const TAIL: usize = 4 << 10;
/// The longest last line, in characters.
const LONGEST_LINE: usize = 1000;

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
    /// The last bytes, where there was more.
    pub tail: LastBytes,
}

/// The last bytes of a stream of which more was printed than is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LastBytes {
    bytes: Vec<u8>,
    /// Whether something came before them.
    cut: bool,
}

impl LastBytes {
    /// Begins with what was kept of the stream.
    fn of(kept: &[u8]) -> Self {
        let from = kept.len().saturating_sub(TAIL);
        Self { bytes: kept.get(from..).unwrap_or_default().to_vec(), cut: from > 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * TAIL {
            self.bytes.drain(..self.bytes.len() - TAIL);
            self.cut = true;
        }
    }
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

    /// The last line that is not empty, without colours and other control characters; bounded. `None`: there is none,
    /// or its beginning was not kept.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let (bytes, cut) =
            if self.truncated { (&self.tail.bytes, self.tail.cut) } else { (&self.bytes, false) };
        let lines: Vec<&[u8]> =
            bytes.split(|byte| matches!(byte, b'\n' | b'\r')).skip(usize::from(cut)).collect();
        let said = || {
            let lines = lines.iter().rev().map(|line| plain(&String::from_utf8_lossy(line)));
            lines.filter(|line| !line.is_empty())
        };
        said().take(USAGE_LINES).find(|line| !is_usage(line)).or_else(|| said().next())
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
            let more = waste.get(..read).unwrap_or_default();
            if !self.truncated {
                (self.truncated, self.tail) = (true, LastBytes::of(&self.bytes));
            }
            self.tail.push(more);
            tap.give(more).await;
            waste.resize(WASTE, 0);
        }
    }
}

/// How many lines at the end may say how a program is used.
const USAGE_LINES: usize = 3;

/// Whether a line only says where the options of a program are described: what was wrong is in a line before it.
fn is_usage(line: &str) -> bool {
    let begins =
        ["Try '", "Try `", "try '", "See '", "For more information, try ", "For more information try "];
    begins.iter().any(|begin| line.starts_with(begin)) && line.contains("help")
}

/// A line as people read it: without control characters, and without the escape sequences of terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            // Parameters, and a letter that ends them.
            while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
        } else if c == '\t' {
            text.push(' ');
        } else if !c.is_control() {
            text.push(c);
        }
    }
    text.trim().chars().take(LONGEST_LINE).collect()
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
    async fn the_last_line_is_that_of_the_whole_stream() {
        let long = "x".repeat(5000);
        let noise = "noise\n".repeat(100_000);
        for (input, limit, line) in [
            ("", 9, None),
            ("\n \r\n\t\n", 9, None),
            ("disk full", 99, Some("disk full")),
            ("one\ntwo\r\n\n  \n", 99, Some("two")),
            ("10 %\r20 %\r", 99, Some("20 %")),
            ("\u{1b}[1;31mError:\u{1b}[0m it\tbroke\u{7}\n", 99, Some("Error: it broke")),
            (
                "ls: invalid option -- ' '\nTry 'ls --help' for more information.\n",
                99,
                Some("ls: invalid option -- ' '"),
            ),
            ("Try 'ls --help' for more information.\n", 99, Some("Try 'ls --help' for more information.")),
            ("one\ntwo\n", 5, Some("two")),
            ("one\ntwo\n", 0, Some("two")),
            (&format!("{noise}the end\n"), 1000, Some("the end")),
            (&format!("a\n{}", &long[..3000]), 10, Some(&long[..1000])),
            (&format!("a\n{long}{long}"), 10, None),
        ] {
            let of = &input[..input.len().min(20)];
            assert_eq!(
                captured(input.as_bytes(), limit).await.last_line().as_deref(),
                line,
                "{of:?} {limit}"
            );
        }
        assert_eq!(captured(b"\xff\xfe!", 9).await.last_line().as_deref(), Some("\u{fffd}\u{fffd}!"));
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
