//! What jobs write, kept in bounded files, one for each attempt.
//!
//! A log is `<folder>/<yyyy-mm-dd>/<job id>-<attempt>.log`: the day (UTC) is that of the job's id, a UUID of version
//! 7. Folders are 0700, files 0600. Nothing is made for an attempt that writes nothing.
//!
//! # Format
//! A version line, `herald job log 1`, then frames, which are only ever appended:
//!
//! ```text
//! o 1764000000123456 000006
//! hello
//!
//! ```
//!
//! A head of 26 bytes: what it is (`o` standard output, `e` standard error, `t` output is missing from here on or
//! between here and the next frame), the time in microseconds since 1970 in sixteen digits, the length of the output
//! in six digits, a line end. Then the output, at most 32 KiB, and one more line end. The order of the frames is the
//! order in which Herald took the output of both streams. A position is an offset in bytes; 0 is the beginning.
//!
//! A frame that is not whole is the end of a log for a reader: it is being written, or the process ended in the
//! middle of it. A writer that goes on with such a log, when the attempt is joined again after a restart, cuts it
//! off. Output is in the hands of the system when it can be read, so that it outlives this process; a power cut may
//! take the last of it.
//!
//! # Bounds
//! At most `limit` bytes of output are kept for an attempt; then one `t` frame, and the rest is dropped. The file
//! itself is at most four times as large, and 64 KiB, however small the pieces are. Between the job and the disk
//! stand at most 16 pieces of 32 KiB; then the job waits. When the disk refuses, output is dropped and marked, and
//! the job goes on. So it is when the disk has only left what is reserved for the journal, and when all logs together
//! have reached their bound and no log of an ended job can be removed for it.
//!
//! # Lines
//! Beside a log of some length is its line index, which is written along with it; a log without one gets it when
//! somebody asks for lines. With it, any lines of a log of any size are read without reading what comes before them.
//!
//! # Secrets
//! Only masked output leaves the sink; see [`herald_core::secret_stream`]. A tail that may begin a secret is held
//! back, and comes later than what the other stream wrote meanwhile. It is lost when the process ends without
//! closing.

mod address;
mod budget;
mod frame;
mod keeper;
mod line_index;
mod lines;
mod live;
mod logs;
mod memory;
mod offline;
mod place;
mod read;
mod sink;

pub use lines::{LineQuery, LineSearch, LineStart, LogLine, LogLines, MOST_LINES};
pub use logs::JobLogs;
pub use offline::OfflineLogs;
pub use place::LOGS;
pub use read::{Chunk, LogError, OutputEntry};

#[cfg(test)]
mod tests;
