//! A log file that can be opened again, after it was moved away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;

/// Who can read a file that is made: the group as well, for those who collect logs.
const MODE: u32 = 0o640;

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
    let mut how = OpenOptions::new();
    how.create(true).append(true).mode(MODE);
    if !is_own_link(path)? {
        // What became a link since then is not followed.
        how.custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default());
    }
    how.open(path)
}

/// Whether the path is a symbolic link that this user or root made. One of another user could lead to any file.
fn is_own_link(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            if !is_trusted(found.uid(), rustix::process::geteuid().as_raw()) {
                let why = "this is a symbolic link that another user made; it is not followed";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn is_trusted(owner: u32, user: u32) -> bool {
    owner == 0 || owner == user
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

    #[test]
    fn links_of_other_users_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.log"), folder.path().join("x.log"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        LogFile::open(&link).unwrap().0.write_all(b"1\n").unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "1\n");
        // Whatever the umask, others have no access.
        assert_eq!(std::fs::metadata(&real).unwrap().mode() & 0o137, 0);
        for (owner, user, trusted) in [(0, 0, true), (0, 7, true), (7, 7, true), (7, 0, false), (8, 7, false)]
        {
            assert_eq!(is_trusted(owner, user), trusted, "{owner} {user}");
        }
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::os::unix::fs::lchown(&link, Some(7), None).unwrap();
        let Err(error) = LogFile::open(&link) else { panic!("followed") };
        assert!(error.to_string().contains("another user made"), "{error}");
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "1\n");
    }
}
