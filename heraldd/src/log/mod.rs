//! The daemon's log: one line an event, as text or JSON, never blocking who writes it.

mod queue;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{LogFormat, LogOutput, LogSettings};
use queue::{Writer, queue};

/// Bytes that wait for a slow disk or terminal; past that, lines are dropped rather than jobs held up. Room for the
/// longest line that `print` writes.
const WAITING: usize = 32 << 20;
/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(2);

/// The log of a running daemon. Dropping it writes out what waits.
pub struct Log {
    level: reload::Handle<LevelFilter, Layered>,
    reopen: Arc<AtomicBool>,
    settings: LogSettings,
    _writer: Writer,
}

type Layered = tracing_subscriber::layer::Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

impl Log {
    /// Opens the output and makes this the log of the process.
    ///
    /// # Errors
    /// When the file cannot be opened, or the process has a log already.
    pub fn start(settings: &LogSettings) -> anyhow::Result<Self> {
        let reopen = Arc::new(AtomicBool::new(false));
        let (lines, writer) = match &settings.output {
            LogOutput::File(path) => queue(LogFile::open(path, reopen.clone())?, WAITING, GATHER),
            LogOutput::Stdout => queue(io::stdout(), WAITING, GATHER),
            LogOutput::Stderr => queue(io::stderr(), WAITING, GATHER),
        };
        let colour = match settings.output {
            LogOutput::File(_) => false,
            LogOutput::Stdout => io::stdout().is_terminal(),
            LogOutput::Stderr => io::stderr().is_terminal(),
        };
        let lines = move || lines.clone();
        let layer: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
            LogFormat::Text => {
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

/// A file that is opened again when told to.
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
