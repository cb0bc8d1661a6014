//! What a job wrote, by lines.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Lines of a job's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// The attempt that wrote them, from 1.
    pub attempt: u32,
    /// The lines, in order; with `search`, those that hold the text.
    pub lines: Vec<LogPageLine>,
    /// The line to continue with, as `from_line`. Null at the end of the log.
    pub next_line: Option<u64>,
    /// Whether output is missing among these lines; `history.log_limit` says how much is kept.
    pub incomplete: bool,
}

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPageLine {
    /// Its number, from 1: among the lines of both streams, or of the `stream` that was asked for.
    pub line: u64,
    /// `stdout` or `stderr`: where its beginning was written.
    pub stream: String,
    /// When Herald received its beginning.
    #[schema(format = DateTime)]
    pub at: String,
    /// The line without its line end, secrets masked. What is not UTF-8 reads `\u{fffd}`.
    pub text: String,
    /// Whether its end was left out: it is longer than 64 KiB.
    pub cut: bool,
}
