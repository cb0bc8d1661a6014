//! The section `log`: what the daemon writes about its work, and where.

use std::path::PathBuf;

use herald_config::log::{LogFormat, LogLevel, format_option, level_option};
use herald_core::problem::Path;
use herald_core::spec::{Description, OptionKind, OptionSpec, PathUse};
pub use herald_log::{LogOutput, LogSettings};
use serde::Deserialize;
use serde_json::Value;

use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "log",
    holds: "what the daemon writes about its work, and where",
    references: References::Nowhere,
    shape: Shape::Options(description),
};

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
        )
        .check(|path| is_file(path).map_or(Ok(()), |path| PathUse::File.check(path)))
        .machine_check(|path| is_file(path).map(|path| PathUse::File.machine_check(path)).unwrap_or_default()))
        .option(format_option("format"))
        .example("log: {level: info}")
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<LogSettings, Invalid> {
    let options = reading.section(&description())?;
    let given: LogOptions = reading.parse(&options, &Path::top().key("log"))?;
    Ok(LogSettings {
        level: LogLevel::named(&given.level).unwrap_or(LogLevel::Info),
        output: output(given.output),
        format: given.format,
    })
}

/// The output, where it is a file.
fn is_file(output: &Value) -> Option<&Value> {
    let is_stream = matches!(output.as_str(), Some("stdout" | "stderr"));
    (!is_stream).then_some(output)
}

/// The names of the two streams are not files: to write `stderr` does not mean one of that name.
fn output(given: Option<PathBuf>) -> LogOutput {
    match given {
        None => LogOutput::Stderr,
        Some(path) if path.as_os_str() == "stderr" => LogOutput::Stderr,
        Some(path) if path.as_os_str() == "stdout" => LogOutput::Stdout,
        Some(path) => LogOutput::File(path),
    }
}
