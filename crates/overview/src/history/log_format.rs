//! Formats of the output of a job: as it was written, piece by piece as JSON, or by lines.

use herald_core::executor::Stream;
use serde::Deserialize;
use utoipa::ToSchema;

use herald_control::model::{LogPage, LogPageLine, LogPieceResource};
use herald_store::history::JobView;
use herald_store::job_log::{Chunk, LogLine, LogLines, OutputEntry};

/// Where output is missing.
const MISSING: &[u8] = b"\n[heraldd: output is missing here; history.log_limit says how much is kept]\n";

/// The format of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As it was written.
    #[default]
    Text,
    /// An object a line, with time and stream.
    Json,
}

impl Format {
    /// The `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/x-ndjson",
        }
    }
}

/// Formats the output of a job, part by part.
#[derive(Debug, Default)]
pub struct OutputFormatter {
    format: Format,
    /// For standard output and standard error: the beginning of a character whose rest is yet to come.
    begun: [Vec<u8>; 2],
}

impl OutputFormatter {
    /// In this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// The next part of this attempt's output.
    pub fn part(&mut self, attempt: u32, chunk: &Chunk) -> Vec<u8> {
        let mut out = Vec::new();
        match self.format {
            Format::Text => {
                chunk.entries.iter().for_each(|entry| out.extend_from_slice(&entry.bytes));
                if chunk.truncated {
                    out.extend_from_slice(MISSING);
                }
            }
            Format::Json => {
                for entry in &chunk.entries {
                    self.put(&mut out, attempt, entry);
                }
                if chunk.truncated {
                    line(&mut out, &LogPieceResource::Missing { attempt });
                }
            }
        }
        out
    }

    fn put(&mut self, out: &mut Vec<u8>, attempt: u32, entry: &OutputEntry) {
        let stream = stream_word(entry.stream);
        let begun = match entry.stream {
            Stream::Stdout => &mut self.begun[0],
            Stream::Stderr => &mut self.begun[1],
        };
        begun.extend_from_slice(&entry.bytes);
        let whole = begun.len() - unfinished(begun);
        let text = String::from_utf8_lossy(&begun[..whole]).into_owned();
        begun.drain(..whole);
        if !text.is_empty() {
            let (stream, at) = (stream.to_owned(), entry.at.to_string());
            line(out, &LogPieceResource::Output { attempt, stream, at, text });
        }
    }
}

/// The word for a stream.
fn stream_word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

fn line(out: &mut Vec<u8>, piece: &LogPieceResource) {
    // Texts and numbers: never fails.
    out.extend(serde_json::to_vec(piece).unwrap_or_default());
    out.push(b'\n');
}

/// Lines of an attempt's log as data.
#[must_use]
pub fn log_page(attempt: u32, found: &LogLines) -> LogPage {
    let line = |line: &LogLine| LogPageLine {
        line: line.number,
        stream: stream_word(line.stream).to_owned(),
        at: line.at.to_string(),
        text: String::from_utf8_lossy(&line.bytes).into_owned(),
        cut: line.is_cut,
    };
    let lines = found.lines.iter().map(line).collect();
    LogPage { attempt, lines, next_line: found.next_line, incomplete: found.is_incomplete }
}

/// Lines of an attempt's log as they were written.
#[must_use]
pub fn log_text(found: &LogLines) -> Vec<u8> {
    let mut text = Vec::new();
    for line in &found.lines {
        text.extend_from_slice(&line.bytes);
        text.push(b'\n');
    }
    text
}

/// What to say where the job has not had this attempt.
#[must_use]
pub fn no_such_attempt(job: &JobView, attempt: u32) -> Option<String> {
    let count = job.summary.state.attempt;
    let attempts = if count == 1 { "one attempt".to_owned() } else { format!("{count} attempts") };
    (attempt > count.max(1)).then(|| format!("there is no attempt {attempt}: the job has {attempts}"))
}

/// How many bytes at the end begin a character that is not whole.
fn unfinished(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last().map(|chunk| chunk.invalid()) {
        Some(rest) if !rest.is_empty() && bytes.ends_with(rest) && is_begun(rest) => rest.len(),
        _ => 0,
    }
}

/// Whether more bytes could make a character of it.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn chunk(parts: &[(Stream, &[u8])]) -> Chunk {
        let at = Timestamp::UNIX_EPOCH;
        let entries = parts
            .iter()
            .map(|(stream, bytes)| OutputEntry { stream: *stream, at, bytes: bytes.to_vec() })
            .collect();
        Chunk { entries, ..Chunk::default() }
    }

    #[test]
    fn text_is_as_it_was_written() {
        let mut formatter = OutputFormatter::new(Format::Text);
        let mut part = chunk(&[(Stream::Stdout, b"a\xff"), (Stream::Stderr, b"b")]);
        assert_eq!(formatter.part(1, &part), &b"a\xffb"[..]);
        part.truncated = true;
        assert!(formatter.part(1, &part).ends_with(MISSING));
    }

    #[test]
    fn json_has_whole_characters() {
        use Stream::{Stderr, Stdout};
        let mut formatter = OutputFormatter::new(Format::Json);
        let mut out = Vec::new();
        let euro = "\u{20ac}".as_bytes();
        for part in [
            chunk(&[(Stdout, b"one\ntwo"), (Stderr, &euro[..1])]),
            chunk(&[(Stdout, b"\xff\"\x1b"), (Stderr, &euro[1..2])]),
            chunk(&[(Stderr, &euro[2..]), (Stdout, &euro[..2])]),
            chunk(&[(Stdout, b"x")]),
            Chunk { truncated: true, ..Chunk::default() },
        ] {
            out.extend(formatter.part(2, &part));
        }
        let lines: Vec<Value> =
            serde_json::Deserializer::from_slice(&out).into_iter().map(Result::unwrap).collect();
        let piece = |stream: &str, text: &str| json!({"kind": "output", "attempt": 2, "stream": stream, "at": "1970-01-01T00:00:00Z", "text": text});
        assert_eq!(
            lines,
            [
                piece("stdout", "one\ntwo"),
                piece("stdout", "\u{fffd}\"\u{1b}"),
                piece("stderr", "\u{20ac}"),
                piece("stdout", "\u{fffd}x"),
                json!({"kind": "missing", "attempt": 2}),
            ]
        );
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 5, "an object a line");
    }
}
