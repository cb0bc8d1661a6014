//! Reads a log a chunk at a time.

use std::io;

use herald_core::executor::Stream;
use jiff::Timestamp;

use crate::job_log::address::Address;
use crate::job_log::frame::{self, FrameKind, VERSION_LINE};
use crate::job_log::place::LogPlace;

/// The most bytes of a log that one chunk is made from.
pub(super) const CHUNK: usize = 256 * 1024;

/// Some output of one stream, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputEntry {
    /// Where the job wrote it.
    pub stream: Stream,
    /// When Herald took it.
    pub at: Timestamp,
    /// What it wrote; begins and ends anywhere, also within a character.
    pub bytes: Vec<u8>,
}

/// A part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// In the order in which they came; may be empty although more follows, when only one stream was asked for.
    pub entries: Vec<OutputEntry>,
    /// Where to read on.
    pub next: u64,
    /// Whether the log is closed and this is its end.
    pub end: bool,
    /// Whether output is missing in, or right behind, this part of the log.
    pub truncated: bool,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refuses.
    #[error("the job's log cannot be read: {0}; look at the permissions and the disk of the state directory")]
    Unreadable(#[from] io::Error),
    /// A file that this version of Herald did not write.
    #[error(
        "the job's log is in a format that this version of Herald does not know; another version wrote it"
    )]
    Format,
}

/// Reads whole frames from a position. `is_live` says whether somebody was writing before this was called.
pub(super) fn read_chunk(
    place: &LogPlace,
    address: Address,
    from: u64,
    stream: Option<Stream>,
    is_live: bool,
) -> Result<Option<Chunk>, LogError> {
    let Some(bytes) = place.read(address, from, CHUNK)? else {
        // The first output may be on its way.
        return Ok(is_live.then(|| Chunk { next: from, ..Chunk::default() }));
    };
    let mut at = 0;
    if from == 0 {
        if bytes.starts_with(VERSION_LINE) {
            at = VERSION_LINE.len();
        } else if !VERSION_LINE.starts_with(&bytes) {
            return Err(LogError::Format);
        }
    }
    let mut chunk = Chunk::default();
    while let Some((found, size)) = frame::first(bytes.get(at..).unwrap_or_default()) {
        match found.kind {
            FrameKind::Truncated => chunk.truncated = true,
            FrameKind::Output(kind) if stream.is_none_or(|wanted| wanted == kind) => {
                chunk.entries.push(OutputEntry { stream: kind, at: found.at, bytes: found.bytes.to_vec() });
            }
            FrameKind::Output(_) => {}
        }
        at += size;
    }
    chunk.next = from.saturating_add(at as u64);
    // A chunk holds more than the largest frame: without one it does not begin at a frame, and never will.
    chunk.end = if bytes.len() < CHUNK { !is_live } else { at == 0 };
    Ok(Some(chunk))
}
