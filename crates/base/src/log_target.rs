//! Targets of log lines that one crate writes and another one knows.

/// Of lines at the level `debug` that people at a terminal also see at the level `info`: a job starts, an event matched
/// nothing. In a file there would be too many.
pub const TERMINAL: &str = "herald::terminal";
/// Of lines that are not for people at a terminal, who have seen a line for each of what these count.
pub const NOT_TERMINAL: &str = "herald::counted";
/// Of the lines of the executor `print`, whose message is JSON.
pub const PRINT: &str = "heraldd::print";
