//! What a job wrote.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a job wrote, piece by piece (`format=json` of its log): one object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = LogPiece)]
pub enum LogPieceResource {
    /// Some output.
    Output {
        /// The attempt that wrote it, from 1.
        attempt: u32,
        /// `stdout` or `stderr`.
        stream: String,
        /// When Herald took it.
        #[schema(format = DateTime)]
        at: String,
        /// What was written, secrets masked; begins and ends anywhere, but not within a character. Bytes that
        /// are not UTF-8 read `\u{fffd}`.
        text: String,
    },
    /// Output is missing here; `history.log_limit` says how much is kept.
    Missing {
        /// The attempt that wrote it, from 1.
        attempt: u32,
    },
}
