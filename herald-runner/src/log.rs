//! Where log lines go: standard error, or a file that can be reopened after it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Where log lines go.
#[derive(Clone)]
pub struct RunnerLog {
    file: Option<(PathBuf, Arc<Mutex<File>>)>,
}

impl RunnerLog {
    /// Opens the file, with its folders, or takes standard error when `path` is none.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        Ok(Self { file: Some((path.to_owned(), Arc::new(Mutex::new(open(path)?)))) })
    }

    /// Opens the file again under its name; the old one stays in use when that fails.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some((path, file)) = &self.file {
            let fresh = open(path)?;
            *file.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// One line on its way out.
pub enum LineWriter {
    /// To standard error.
    Stderr(io::Stderr),
    /// To the file.
    File(Arc<Mutex<File>>),
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr(stderr) => stderr.write(bytes),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stderr(stderr) => stderr.flush(),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}

impl<'a> MakeWriter<'a> for RunnerLog {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        match &self.file {
            None => LineWriter::Stderr(io::stderr()),
            Some((_, file)) => LineWriter::File(file.clone()),
        }
    }
}

/// Sends the log of this process where the configuration says. Only the first call of a process counts.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(config: &LogConfig) -> io::Result<RunnerLog> {
    use io::IsTerminal as _;
    let output = RunnerLog::open(config.output.as_deref())?;
    let colours = output.file.is_none() && io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_max_level(filter(config.level))
        .with_writer(output.clone())
        .with_ansi(colours);
    // A second subscriber in one process (tests) is of no use and no harm.
    let _ = match config.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().with_target(false).flatten_event(true).try_init(),
    };
    Ok(output)
}

/// As tracing says it.
#[must_use]
pub fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
