//! The daemon's log: one line an event, as text or JSON, never blocking who writes it.

mod queue;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use herald_core::clock::{Clock, SystemClock};
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{DaemonLogOutput, LogFormat, LogSettings};
use queue::{LogQueueWriter, queue};

/// Bytes that wait for a slow disk or terminal; past that, lines are dropped rather than jobs held up. Room for the
/// longest line that `print` writes.
const WAITING: usize = 32 << 20;
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(2);

/// The log of a running daemon. Dropping it writes out what waits.
pub struct DaemonLog {
    level: reload::Handle<LevelFilter, Layered>,
    reopen: Arc<AtomicBool>,
    settings: LogSettings,
    _writer: LogQueueWriter,
}

type Layered = tracing_subscriber::layer::Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

impl DaemonLog {
    /// Opens the output and makes this the log of the process.
    ///
    /// # Errors
    /// When the file cannot be opened, or the process has a log already.
    pub fn start(settings: &LogSettings) -> anyhow::Result<Self> {
        let reopen = Arc::new(AtomicBool::new(false));
        let say_dropped = match settings.format {
            LogFormat::Text => dropped_as_text,
            LogFormat::Json => dropped_as_json,
        };
        let (lines, writer) = match &settings.output {
            DaemonLogOutput::File(path) => {
                queue(LogFile::open(path, reopen.clone())?, WAITING, GATHER, say_dropped)
            }
            DaemonLogOutput::Stdout => queue(io::stdout(), WAITING, GATHER, say_dropped),
            DaemonLogOutput::Stderr => queue(io::stderr(), WAITING, GATHER, say_dropped),
        };
        let colour = match settings.output {
            DaemonLogOutput::File(_) => false,
            DaemonLogOutput::Stdout => io::stdout().is_terminal(),
            DaemonLogOutput::Stderr => io::stderr().is_terminal(),
        };
        let lines = move || lines.clone();
        let layer: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
            LogFormat::Text => {
                let lines = move || OneLine(lines());
                Box::new(tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(lines))
            }
            LogFormat::Json => {
                Box::new(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(lines))
            }
        };
        let (filter, level) = reload::Layer::new(settings.level);
        let subscriber = tracing_subscriber::registry().with(layer).with(filter);
        tracing::subscriber::set_global_default(subscriber)?;
        Ok(Self { level, reopen, settings: settings.clone(), _writer: writer })
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

    /// Takes the level of a new configuration, and opens the file again (it may have been rotated away). A new
    /// output or format takes a restart, and a line says so.
    pub fn reload(&mut self, settings: &LogSettings) {
        self.reopen.store(true, Ordering::SeqCst);
        if let Err(error) = self.level.reload(settings.level) {
            tracing::error!("the log level could not be changed: {error}");
        }
        if settings.output != self.settings.output || settings.format != self.settings.format {
            tracing::warn!("a new log.output or log.format takes effect at the next start");
        }
    }
}

/// Keeps a line of text one line, whatever somebody wrote into it. One call is one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return self.0.write(line);
        }
        let mut escaped = Vec::with_capacity(line.len() + 16);
        for byte in text {
            match byte {
                b'\n' => escaped.extend(b"\\n"),
                b'\r' => escaped.extend(b"\\r"),
                byte => escaped.push(*byte),
            }
        }
        escaped.push(b'\n');
        self.0.write_all(&escaped)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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

/// A file that is opened again on request.
struct LogFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
}

impl LogFile {
    fn open(path: &Path, reopen: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let explain = |error: io::Error| anyhow::anyhow!("log.output {}: {error}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(explain)?;
        }
        Ok(Self { path: path.to_owned(), file: append(path).map_err(explain)?, reopen })
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.reopen.swap(false, Ordering::SeqCst)
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        for (line, written) in
            [("plain\n", "plain\n"), ("", ""), ("a\nb\r\nc\n", "a\\nb\\r\\nc\n"), ("\n\n", "\\n\n")]
        {
            let mut out = Vec::new();
            OneLine(&mut out).write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), written, "{line:?}");
        }
    }

    #[test]
    fn dropped_lines_are_reported_in_the_format_of_the_log() {
        assert!(dropped_as_text(7).contains(" WARN 7 log lines were dropped"));
        let line: serde_json::Value = serde_json::from_str(&dropped_as_json(7)).unwrap();
        assert_eq!((&line["level"], &line["dropped"]), (&json!("WARN"), &json!(7)));
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
    }
}
