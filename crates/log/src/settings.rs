//! What a log looks like and where it goes.

use std::path::PathBuf;

use herald_config::log::{LogFormat, LogLevel};

/// What a log looks like and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important lines that are written.
    pub level: LogLevel,
    /// Where it goes.
    pub output: LogOutput,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}
