//! Who can read and write what is in the `state_dir`: its owner alone.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::open_error::OpenError;

/// Files in the `state_dir`; earlier versions left it to the umask who can read the first three.
const FILES: [&str; 7] = [
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "journal.db-journal",
    "journal.end",
    "seal.key",
    "lock",
];
/// Folders in it.
const FOLDERS: [&str; 2] = ["journal", "log"];

const BY_GROUP_OR_OTHERS: u32 = 0o077;
const WRITE: u32 = 0o022;

/// Opens a file for reading and writing; a missing one is made, readable by its owner alone. Never follows a symbolic
/// link.
///
/// # Errors
/// When the system refuses, or the file is not a regular one.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    regular(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))
}

fn regular(opened: rustix::io::Result<rustix::fd::OwnedFd>) -> io::Result<File> {
    let file = match opened {
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("it is a symbolic link")),
        other => File::from(other?),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Refuses a folder that others can write, and warns about one that others can read.
///
/// # Errors
/// When others can write it.
pub(crate) fn check_folder(folder: &Path, handle: &File) -> Result<(), OpenError> {
    let shown = folder.display();
    let about =
        handle.metadata().map_err(|error| OpenError(format!("state_dir {shown} cannot be used: {error}")))?;
    let mode = about.mode() & 0o7777;
    if mode & WRITE != 0 {
        return Err(OpenError(format!(
            "state_dir {shown} can be written by other users (mode {mode:04o}), who could change what is in it; make it \
             private: chmod 700 {shown}"
        )));
    }
    if mode & BY_GROUP_OR_OTHERS != 0 {
        tracing::warn!(
            "state_dir {shown} can be listed by other users (mode {mode:04o}); only the files in it are private; to \
             make it private as well: chmod 700 {shown}"
        );
    }
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me && about.uid() != 0 {
        let owner = about.uid();
        tracing::warn!(
            "state_dir {shown} belongs to another user (uid {owner}), who can change what is in it; give it to the \
             user of heraldd: chown {me} {shown}"
        );
    }
    Ok(())
}

/// Takes the rights of others away from what is in the folder.
///
/// # Errors
/// When a file is not a regular one, or its mode cannot be changed.
pub(crate) fn make_private(folder: &Path) -> Result<(), OpenError> {
    for name in FILES {
        make_file_private(&folder.join(name))?;
    }
    for name in FOLDERS {
        let path = folder.join(name);
        if let Ok(about) = std::fs::metadata(&path)
            && about.mode() & BY_GROUP_OR_OTHERS != 0
        {
            let made = std::fs::set_permissions(&path, Permissions::from_mode(0o700));
            made.map_err(|error| cannot_be_private(&path, &error))?;
        }
    }
    let entries = std::fs::read_dir(folder.join("journal")).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    files.try_for_each(|entry| make_file_private(&entry.path()))
}

fn make_file_private(path: &Path) -> Result<(), OpenError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match regular(rustix::fs::open(path, flags, Mode::empty())) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| cannot_be_private(path, &error))?,
    };
    let changed = file.metadata().and_then(|about| {
        if about.mode() & BY_GROUP_OR_OTHERS == 0 {
            return Ok(());
        }
        file.set_permissions(Permissions::from_mode(0o600))
    });
    changed.map_err(|error| cannot_be_private(path, &error))
}

fn cannot_be_private(path: &Path, error: &io::Error) -> OpenError {
    OpenError(format!("{} cannot be made private to the user of heraldd: {error}", path.display()))
}

/// What others can read or write in a folder, a sentence each.
pub(crate) fn problems(folder: &Path) -> Vec<String> {
    let paths = FILES.iter().chain(&FOLDERS).map(|name| folder.join(name)).chain([folder.to_owned()]);
    let open = paths.filter_map(|path| {
        let mode = std::fs::symlink_metadata(&path).ok()?.mode() & 0o7777;
        let shown = path.display();
        (mode & BY_GROUP_OR_OTHERS != 0)
            .then(|| format!("{shown} is open to other users (mode {mode:04o}): chmod go= {shown}"))
    });
    open.collect()
}
