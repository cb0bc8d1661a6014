//! What a command says, and the exit code that it ends with.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Clean stop.
pub const STOPPED: u8 = 0;
/// Failure while running.
pub const FAILED: u8 = 1;
/// Bad arguments or configuration.
pub const BAD_INPUT: u8 = 2;
/// Nothing has this name or id, or several things have it.
pub const NOT_FOUND: u8 = 4;

/// What a command says, and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub remarks: String,
    /// The exit code.
    pub code: u8,
}

impl CommandOutput {
    /// What was asked for.
    #[must_use]
    pub fn good(out: impl Into<String>) -> Self {
        Self { out: out.into(), remarks: String::new(), code: STOPPED }
    }

    /// The configuration or an argument is wrong.
    #[must_use]
    pub fn refused(why: &dyn std::fmt::Display) -> Self {
        Self { out: String::new(), remarks: why.to_string(), code: BAD_INPUT }
    }

    /// A name that nothing has.
    #[must_use]
    pub fn unknown(why: &dyn std::fmt::Display) -> Self {
        Self { code: NOT_FOUND, ..Self::refused(why) }
    }

    /// The daemon says something else than this version expects.
    #[must_use]
    pub fn unexpected(error: &serde_json::Error) -> Self {
        let remarks = format!("heraldd: unexpected response of the daemon (version mismatch?): {error}");
        Self { out: String::new(), remarks, code: FAILED }
    }

    /// Says it all and gives the exit code.
    #[must_use]
    pub fn give(self) -> ExitCode {
        // Where standard error is closed nobody listens, and the exit code says the rest.
        let _ = std::io::stderr().write_all(whole_lines(self.remarks).as_bytes());
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(whole_lines(self.out).as_bytes()).and_then(|()| stdout.flush());
        match written {
            // Who reads has seen enough: `heraldd next | head -1`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(self.code),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "heraldd: the output could not be written: {error}");
                ExitCode::from(FAILED)
            }
            Ok(()) => ExitCode::from(self.code),
        }
    }
}

fn whole_lines(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
