//! Who can read and write what is in the `state_dir`: its owner alone.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

pub(crate) use herald_base::private_file::open_private;
use herald_base::private_file::{ForeignAccess, regular};
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

/// Refuses a `state_dir` that others can change, and warns about one that others can read.
///
/// # Errors
/// When others can change it.
pub(crate) fn check_folder(folder: &Path, handle: &File) -> Result<(), OpenError> {
    let shown = folder.display();
    let about =
        handle.metadata().map_err(|error| OpenError(format!("state_dir {shown} cannot be used: {error}")))?;
    refuse_foreign(folder, &about)?;
    let mode = about.mode() & 0o7777;
    if mode & BY_GROUP_OR_OTHERS != 0 {
        tracing::warn!(
            "state_dir {shown} can be listed by other users (mode {mode:04o}); only the files in it are private; to \
             make it private as well: chmod 700 {shown}"
        );
    }
    FOLDERS.iter().try_for_each(|name| check_inner(&folder.join(name)))
}

/// Whether a start would refuse this `state_dir` because others can change it. A missing one is made by the start.
///
/// # Errors
/// The sentence with which it would be refused.
pub(crate) fn check_access(folder: &Path) -> Result<(), OpenError> {
    let Ok(about) = std::fs::metadata(folder) else { return Ok(()) };
    refuse_foreign(folder, &about)?;
    FOLDERS.iter().try_for_each(|name| check_inner(&folder.join(name)))
}

fn refuse_foreign(folder: &Path, about: &Metadata) -> Result<(), OpenError> {
    let Some(access) = ForeignAccess::of(about) else { return Ok(()) };
    let shown = folder.display();
    let help = match access {
        ForeignAccess::Owner { .. } => {
            "give it to the user of heraldd: ".to_owned() + &access.correction(folder)
        }
        ForeignAccess::Writable { .. } => format!("make it private: chmod 700 {shown}"),
    };
    Err(OpenError(format!("state_dir {shown} {access}, who could change what is in it; {help}")))
}

/// Refuses a folder in the `state_dir` that is a symbolic link or belongs to another user. One that others can write is
/// made private by the start, as earlier versions left that to the umask.
fn check_inner(folder: &Path) -> Result<(), OpenError> {
    let Ok(about) = std::fs::symlink_metadata(folder) else { return Ok(()) };
    let shown = folder.display();
    if about.is_symlink() {
        let why = "is a symbolic link, which is not followed; mount the other folder there (mount --bind)";
        return Err(OpenError(format!("{shown} {why}, or move it here")));
    }
    match ForeignAccess::of(&about) {
        Some(access @ ForeignAccess::Owner { .. }) => Err(OpenError(format!(
            "{shown} {access}, who could change what is in it; give it to the user of heraldd: {}",
            access.correction(folder)
        ))),
        Some(ForeignAccess::Writable { .. }) | None => Ok(()),
    }
}

/// Takes the rights of others away from what is in the folder.
///
/// # Errors
/// When a file is not a regular one, or its mode cannot be changed.
pub(crate) fn make_private(folder: &Path) -> Result<(), OpenError> {
    for name in FILES {
        make_file_private(&folder.join(name))?;
    }
    FOLDERS.iter().try_for_each(|name| make_folder_private(&folder.join(name)))?;
    let entries = std::fs::read_dir(folder.join("journal")).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    files.try_for_each(|entry| make_file_private(&entry.path()))
}

/// Takes the rights of others away from a folder in the `state_dir`.
///
/// # Errors
/// When it is a symbolic link, or its mode cannot be changed.
pub(crate) fn make_folder_private(path: &Path) -> Result<(), OpenError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
    let folder = match rustix::fs::open(path, flags, Mode::empty()).map(File::from) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        // A file in its place is not a reason to refuse the start.
        Err(rustix::io::Errno::NOTDIR) => return make_file_private(path),
        other => other.map_err(|error| cannot_be_private(path, &error.into()))?,
    };
    let changed = folder.metadata().and_then(|about| {
        if about.mode() & BY_GROUP_OR_OTHERS == 0 {
            return Ok(());
        }
        folder.set_permissions(Permissions::from_mode(0o700))
    });
    changed.map_err(|error| cannot_be_private(path, &error))
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
