//! What a command says, and the exit code that it ends with.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

/// Clean stop.
pub(super) const STOPPED: u8 = 0;
/// Failure while running.
pub(super) const FAILED: u8 = 1;
/// Bad arguments or configuration.
pub(super) const BAD_INPUT: u8 = 2;

/// What a command says, and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandOutput {
    /// For standard output.
    pub(super) out: String,
    /// For standard error.
    pub(super) remarks: String,
    pub(super) code: u8,
}

impl CommandOutput {
    /// What was asked for.
    pub(super) fn good(out: impl Into<String>) -> Self {
        Self { out: out.into(), remarks: String::new(), code: STOPPED }
    }

    /// The configuration or an argument is wrong.
    pub(super) fn refused(why: &dyn std::fmt::Display) -> Self {
        Self { out: String::new(), remarks: why.to_string(), code: BAD_INPUT }
    }

    /// The daemon says something else than this version expects.
    pub(super) fn unexpected(error: &serde_json::Error) -> Self {
        let remarks = format!("heraldd: unexpected response of the daemon (version mismatch?): {error}");
        Self { out: String::new(), remarks, code: FAILED }
    }

    /// Says it all and gives the exit code.
    pub(super) fn give(self) -> ExitCode {
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

/// The configuration that a command is about.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    #[command(flatten)]
    file: OneFile,
    /// Which node of the fleet this is, by its name under `node`
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OneFile {
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Configuration file (same as --config)
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
}

impl ConfigFile {
    /// Its path.
    pub(super) fn path(&self) -> &Path {
        // The parser asks for one of both.
        let OneFile { config, file } = &self.file;
        config.as_deref().or(file.as_deref()).unwrap_or(Path::new(""))
    }

    /// Which node reads it.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}
