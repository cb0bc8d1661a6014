//! What does not fit into a message or its end: files and large results, in pieces that are kept for a while. Each is
//! encrypted and authenticated by the keys of the queue.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceName {
    /// The message that it belongs to.
    pub message: String,
    /// Which piece of it.
    pub part: String,
}

impl PieceName {
    /// The most bytes of a piece.
    pub const LARGEST: usize = 512 << 10;

    /// The `n`th piece of a file, from 0.
    #[must_use]
    pub fn of_file(message: &str, file: &str, n: usize) -> Self {
        Self { message: message.to_owned(), part: format!("file/{file}/{n}") }
    }

    /// The `n`th piece of a result, from 0.
    #[must_use]
    pub fn result(message: &str, n: usize) -> Self {
        Self { message: message.to_owned(), part: format!("result/{n}") }
    }

    /// The origin wants the message to end.
    #[must_use]
    pub fn cancel(message: &str) -> Self {
        Self { message: message.to_owned(), part: "cancel".to_owned() }
    }
}

/// A file that was put in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePieces {
    /// The job's name for it.
    pub name: String,
    /// What it is called.
    pub filename: String,
    /// Its bytes.
    pub size: u64,
    /// Its checksum in hex.
    pub sha256: String,
    /// How many pieces it has.
    pub pieces: usize,
}

/// How a job of a runner ended: the detail of the end of its message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerReport {
    /// How its process ended, as in the manifest of version 2 of the protocol of runners.
    pub ending: Value,
    /// The last line of its standard error, where it failed by itself.
    pub error_line: Option<String>,
    /// The result; none where it was put in pieces.
    pub result: Option<Value>,
    /// In how many pieces.
    pub result_pieces: usize,
    /// Its files.
    pub files: Vec<FilePieces>,
}

impl FilePieces {
    /// The largest file in bytes.
    pub const LARGEST: u64 = 8 << 20;
}

impl RunnerReport {
    /// The largest result in bytes that is part of the report.
    pub const LARGEST_RESULT: usize = 16 << 10;
}
