//! A log file that can be opened again, after it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The file, on the side that writes.
pub(crate) struct LogFile {
    file: File,
    reopened: Arc<Mutex<Option<File>>>,
}

/// Opens the file again.
#[derive(Clone)]
pub(crate) struct LogFileHandle {
    path: PathBuf,
    reopened: Arc<Mutex<Option<File>>>,
}

impl LogFile {
    /// Opens the file, with its folders.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, LogFileHandle)> {
        let reopened = Arc::<Mutex<Option<File>>>::default();
        let handle = LogFileHandle { path: path.to_owned(), reopened: reopened.clone() };
        Ok((Self { file: append(path)?, reopened }, handle))
    }
}

impl LogFileHandle {
    /// Opens the file again under its name; the next line goes there. The old one stays in use when that fails.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let fresh = append(&self.path)?;
        *self.reopened.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(fresh) = self.reopened.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.file = fresh;
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
    fn a_file_that_was_moved_away_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("logs/x.log"), folder.path().join("moved"));
        let (mut file, handle) = LogFile::open(&path).unwrap();
        file.write_all(b"1\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.write_all(b"2\n").unwrap();
        handle.reopen().unwrap();
        file.write_all(b"3\n").unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "1\n2\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        std::fs::remove_dir_all(folder.path().join("logs")).unwrap();
        std::fs::write(folder.path().join("logs"), "not a folder").unwrap();
        assert!(handle.reopen().is_err());
        file.write_all(b"4\n").unwrap();
    }
}
