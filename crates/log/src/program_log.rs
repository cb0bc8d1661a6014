//! The log of a running program: never blocks who writes it, and is reopened and changes its level on a reload.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use herald_base::clock::{Clock, SystemClock};
use herald_base::log_target::{NOT_TERMINAL, TERMINAL};
use herald_base::os_error;
use herald_config::log::{LogFormat, LogLevel};
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::file::{LogFile, LogFileHandle};
use crate::one_line::OneLine;
use crate::queue::{LogQueueWriter, queue};
use crate::settings::{LogOutput, LogSettings};
use crate::terminal_format::TerminalFormat;

/// Bytes that wait for a slow disk or terminal; past that, lines are dropped rather than jobs held up. Room for the
/// longest line that `print` writes.
const WAITING: usize = 32 << 20;
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(2);

/// The log of a running program. Dropping it writes out what waits.
pub struct ProgramLog {
    level: reload::Handle<Targets, Layered>,
    file: Option<LogFileHandle>,
    settings: LogSettings,
    /// Whether people read it as it is written.
    for_people: bool,
    _writer: LogQueueWriter,
}

type Layered = tracing_subscriber::layer::Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// Why a log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogStartError {
    /// The file cannot be opened.
    #[error("cannot open the log {}: {}", path.display(), os_error::plain(&error.to_string()))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The process has a log already.
    #[error("the process has a log already")]
    Started,
}

impl ProgramLog {
    /// Opens the output and makes this the log of the process. `targets`: whether lines name the module that wrote
    /// them.
    ///
    /// # Errors
    /// When the file cannot be opened, or the process has a log already.
    pub fn start(settings: &LogSettings, targets: bool) -> Result<Self, LogStartError> {
        let say_dropped = match settings.format {
            LogFormat::Text => dropped_as_text,
            LogFormat::Json => dropped_as_json,
        };
        let mut reopened = None;
        let (lines, writer) = match &settings.output {
            LogOutput::File(path) => {
                let opened = LogFile::open(path);
                let (file, handle) =
                    opened.map_err(|error| LogStartError::Open { path: path.clone(), error })?;
                reopened = Some(handle);
                queue(file, WAITING, GATHER, say_dropped)
            }
            LogOutput::Stdout => queue(io::stdout(), WAITING, GATHER, say_dropped),
            LogOutput::Stderr => queue(io::stderr(), WAITING, GATHER, say_dropped),
        };
        let is_terminal = match settings.output {
            LogOutput::File(_) => false,
            LogOutput::Stdout => io::stdout().is_terminal(),
            LogOutput::Stderr => io::stderr().is_terminal(),
        };
        let for_people = is_terminal && settings.format == LogFormat::Text;
        let columns =
            if settings.output == LogOutput::Stdout { columns_of_stdout } else { columns_of_stderr };
        let lines = move || lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_target(targets);
        let layer: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
            LogFormat::Text if for_people => {
                let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                Box::new(layer.event_format(TerminalFormat::new(!no_colour, columns)).with_writer(lines))
            }
            LogFormat::Text => Box::new(layer.with_ansi(false).with_writer(move || OneLine(lines()))),
            LogFormat::Json => Box::new(layer.json().flatten_event(true).with_writer(lines)),
        };
        let (filter, level) = reload::Layer::new(filter(settings.level, for_people));
        let subscriber = tracing_subscriber::registry().with(layer).with(filter);
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogStartError::Started)?;
        Ok(Self { level, file: reopened, settings: settings.clone(), for_people, _writer: writer })
    }

    /// Logs a long problem report: in JSON as one object, in text a line of the log for each line of it.
    pub fn report(&self, what: &impl std::fmt::Display, is_error: bool) {
        let log = |text: &str| if is_error { tracing::error!("{text}") } else { tracing::warn!("{text}") };
        let text = what.to_string();
        match self.settings.format {
            LogFormat::Json => log(text.trim()),
            LogFormat::Text => text.lines().map(str::trim_end).filter(|line| !line.is_empty()).for_each(log),
        }
    }

    /// Opens the file again: it may have been rotated away. When that fails, the old one stays in use, and a line says
    /// so.
    pub fn reopen(&self) {
        if let Some(Err(error)) = self.file.as_ref().map(LogFileHandle::reopen) {
            let error = os_error::plain(&error.to_string());
            tracing::error!("cannot reopen the log; still writing to the old file: {error}");
        }
    }

    /// Applies the level of a new configuration. Gives the settings whose change needs a restart.
    pub fn reload(&self, settings: &LogSettings) -> Vec<&'static str> {
        if let Err(error) = self.level.reload(filter(settings.level, self.for_people)) {
            tracing::error!("the log level could not be changed: {error}");
        }
        let changed = [
            ("log.output", settings.output != self.settings.output),
            ("log.format", settings.format != self.settings.format),
        ];
        changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }
}

fn filter(level: LogLevel, for_people: bool) -> Targets {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new().with_default(level);
    if for_people && level >= LevelFilter::INFO {
        return targets.with_target(TERMINAL, LevelFilter::DEBUG).with_target(NOT_TERMINAL, LevelFilter::OFF);
    }
    targets
}

fn columns_of_stdout() -> Option<usize> {
    columns_of(io::stdout())
}

fn columns_of_stderr() -> Option<usize> {
    columns_of(io::stderr())
}

/// How many columns a terminal has now: its window may have changed.
fn columns_of(terminal: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn dropped_as_text(lines: u64) -> String {
    format!("{} WARN {lines} log lines were dropped: the output is too slow", SystemClock.now())
}

fn dropped_as_json(lines: u64) -> String {
    let message = format!("{lines} log lines were dropped: the output is too slow");
    let timestamp = SystemClock.now().to_string();
    json!({"timestamp": timestamp, "level": "WARN", "message": message, "dropped": lines, "target": module_path!()})
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_lines_are_reported_in_the_format_of_the_log() {
        assert!(dropped_as_text(7).contains(" WARN 7 log lines were dropped"));
        let line: serde_json::Value = serde_json::from_str(&dropped_as_json(7)).unwrap();
        assert_eq!((&line["level"], &line["dropped"]), (&json!("WARN"), &json!(7)));
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
    }
}
