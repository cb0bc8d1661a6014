//! The section `log`: what the daemon writes about its work, and where.

use std::path::PathBuf;

pub use herald_config::log::LogFormat;
use herald_config::log::{LogLevel, format_option, level_option};
use herald_core::problem::Path;
use herald_core::spec::{Description, OptionKind, OptionSpec};
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use super::section::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "log",
    holds: "what the daemon writes about its work, and where",
    references: References::Nowhere,
    shape: Shape::Options(description),
};

/// What the log looks like and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important lines that are written.
    pub level: LevelFilter,
    /// Where it goes.
    pub output: DaemonLogOutput,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaemonLogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

impl DaemonLogOutput {
    /// The names of the two streams are not files: to write `stderr` does not mean one of that name.
    fn of(output: Option<PathBuf>) -> Self {
        match output {
            None => Self::Stderr,
            Some(path) if path.as_os_str() == "stderr" => Self::Stderr,
            Some(path) if path.as_os_str() == "stdout" => Self::Stdout,
            Some(path) => Self::File(path),
        }
    }
}

#[derive(Deserialize)]
struct LogOptions {
    level: String,
    output: Option<PathBuf>,
    format: LogFormat,
}

fn description() -> Description {
    Description::new("log", "What the daemon writes about its work, and where.")
        .option(level_option("level"))
        .option(OptionSpec::new(
            "output",
            OptionKind::FilePath,
            "A file to append to, opened again at SIGHUP; or `stdout` or `stderr`. Left out, the log goes to standard \
             error.",
        ))
        .option(format_option("format"))
        .example("log: {level: info}")
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<LogSettings, Invalid> {
    let options = reading.section(&description())?;
    let given: LogOptions = reading.parse(&options, &Path::top().key("log"))?;
    let level = LogLevel::named(&given.level).map(herald_runner::log::filter);
    Ok(LogSettings {
        level: level.unwrap_or(LevelFilter::INFO),
        output: DaemonLogOutput::of(given.output),
        format: given.format,
    })
}
