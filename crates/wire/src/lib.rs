//! The bytes between heraldd and herald-runner, both versions of the wire: messages, signatures, multipart,
//! checksums.
//!
//! Nothing here opens a socket or a file, and nothing reads a clock: callers hand in the time as seconds since
//! 1970. Version 1 is what the Go original speaks ([`v1`]); version 2 signs requests ([`request`]) and answers
//! ([`answer`]) as RFC 9421 says, with the digests of RFC 9530 ([`digest`]). From version 2.1 on a request names the
//! runner that it is for ([`runner_id`]).

mod message;
pub mod multipart;
pub mod name;
mod signing;
pub mod v1;

pub use message::{ending, heartbeat, job, log, manifest};
pub use multipart::disposition;
pub use signing::{answer, digest, request, runner_id, secret, signature};

/// The longest JSON result that a daemon takes, in bytes. Result files are not part of it.
pub const MAX_RESULT: usize = 32 * 1024 * 1024;
/// The most result files that one job may return.
pub const MAX_FILES: usize = 1000;
