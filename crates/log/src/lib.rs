//! The log of a program: one line an event, as text or JSON, on standard error, standard output or in a file.

mod file;
mod one_line;
mod program_log;
mod queue;
mod settings;
mod terminal_format;

pub use program_log::{LogStartError, ProgramLog};
pub use settings::{LogOutput, LogSettings};
