//! What a job writes, asked for while it runs.
//!
//! A signed POST to `<path>/log` names the pair (job id, attempt) and how far the output was read; the signed answer
//! holds what came since. It bears `Herald-Join: only`, so that a runner that does not know it starts nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_base::output::Stream;
use serde::{Deserialize, Serialize};

use crate::message::job::JobKey;

/// What is appended to the path of a runner to read the output of a job.
pub const LOG: &str = "/log";
/// The most bytes of output in one answer.
pub const MAX_LOG: usize = 256 * 1024;
/// The longest answer, in bytes: the output in Base64, and as much again for many short pieces.
pub const MAX_LOG_ANSWER: usize = 4 * MAX_LOG;

/// The longest text of the pieces that an answer to a job brings along. They are in a header, and some proxies take no
/// more than 4 KiB of headers.
pub const MAX_ALONG: usize = 2048;

/// The body of a request for output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// Which job.
    #[serde(flatten)]
    pub key: JobKey,
    /// 0, or the `next` of an answer before.
    #[serde(default)]
    pub from: u64,
    /// How many milliseconds the runner may wait for output, when there is none yet.
    #[serde(default)]
    pub wait_ms: u64,
}

/// Some output of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPiece {
    /// Where the job wrote it.
    pub stream: Stream,
    /// What it wrote, in Base64: begins and ends anywhere, also within a character.
    data: String,
}

impl OutputPiece {
    /// Of these bytes.
    #[must_use]
    pub fn new(stream: Stream, bytes: &[u8]) -> Self {
        Self { stream, data: STANDARD.encode(bytes) }
    }

    /// The bytes; `None` when they are not valid Base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.data).ok()
    }
}

/// The body of an answer with output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnswer {
    /// In the order in which it was written.
    pub pieces: Vec<OutputPiece>,
    /// Where to read on.
    pub next: u64,
    /// Whether the job has ended and this is the rest.
    pub end: bool,
    /// Whether output is missing behind these pieces, because the runner keeps no more.
    #[serde(default)]
    pub truncated: bool,
}

/// What the answer to a job says of its output, which then need not be requested.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSummary {
    /// Where it ends: who has read so far has all of it.
    pub length: u64,
    /// All of it, where that is short; else none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<OutputPiece>,
}

impl OutputSummary {
    /// Of output that ends at `length`, with all pieces of it, where they are short enough to come along.
    #[must_use]
    pub fn new(length: u64, pieces: Vec<OutputPiece>) -> Self {
        let text = serde_json::to_string(&pieces).unwrap_or_default();
        Self { length, pieces: if text.len() <= MAX_ALONG { pieces } else { Vec::new() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_short_output_and_the_length_of_all() {
        let short = OutputSummary::new(8, vec![OutputPiece::new(Stream::Stdout, b"a\xff\n")]);
        let text = r#"{"length":8,"pieces":[{"stream":"stdout","data":"Yf8K"}]}"#;
        assert_eq!(serde_json::to_string(&short).unwrap(), text);
        assert_eq!(serde_json::from_str::<OutputSummary>(text).unwrap(), short);
        for (what, pieces) in [
            ("nothing", Vec::new()),
            ("a long piece", vec![OutputPiece::new(Stream::Stdout, &[0; MAX_ALONG])]),
            ("many short ones", vec![OutputPiece::new(Stream::Stderr, b"x"); MAX_ALONG / 16]),
        ] {
            let text = serde_json::to_string(&OutputSummary::new(9, pieces)).unwrap();
            assert_eq!(text, r#"{"length":9}"#, "{what}");
        }
    }

    #[test]
    fn the_text_of_both_sides() {
        let key = JobKey { job_id: "a".to_owned(), attempt: 2 };
        let request = LogRequest { key, from: 7, wait_ms: 10 };
        let text = r#"{"job_id":"a","attempt":2,"from":7,"wait_ms":10}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::from_str::<LogRequest>(text).unwrap(), request);
        let pieces = vec![OutputPiece::new(Stream::Stdout, b"a\xff"), OutputPiece::new(Stream::Stderr, b"")];
        let answer = LogAnswer { pieces, next: 9, end: true, truncated: false };
        let text = r#"{"pieces":[{"stream":"stdout","data":"Yf8="},{"stream":"stderr","data":""}],"next":9,"end":true,"truncated":false}"#;
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        let read: LogAnswer = serde_json::from_str(text).unwrap();
        assert_eq!(read.pieces[0].bytes().unwrap(), b"a\xff");
        assert_eq!(OutputPiece { stream: Stream::Stdout, data: "no base64!".to_owned() }.bytes(), None);
    }
}
