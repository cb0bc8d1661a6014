//! Files and folders that no other user may change.

use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

const WRITE: u32 = 0o022;

/// How a user other than root and that of this process can change a file, or what is in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignAccess {
    /// It belongs to that user.
    Owner {
        /// The user.
        uid: u32,
    },
    /// Its group, or everybody, has permission to write.
    Writable {
        /// Its mode.
        mode: u32,
    },
}

impl ForeignAccess {
    /// `None`: only root and this process can change it. The mode of a symbolic link says nothing.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let (uid, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        if uid != 0 && uid != own_uid() {
            return Some(Self::Owner { uid });
        }
        (mode & WRITE != 0 && !metadata.is_symlink()).then_some(Self::Writable { mode })
    }

    /// The command that ends it.
    #[must_use]
    pub fn correction(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Owner { .. } => format!("chown {} {path}", own_uid()),
            Self::Writable { .. } => format!("chmod go-w {path}"),
        }
    }
}

impl fmt::Display for ForeignAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { uid } => write!(f, "belongs to another user (uid {uid})"),
            Self::Writable { mode } => write!(f, "can be written by other users (mode {mode:04o})"),
        }
    }
}

/// Whether every user of this machine can read a file: by its mode, and by those of the folders above it. What cannot
/// be asked for counts as closed.
#[must_use]
pub fn is_open_to_everybody(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let has = |path: &Path, bit: u32| path.metadata().is_ok_and(|metadata| metadata.mode() & bit != 0);
    has(&path, 0o004) && path.ancestors().skip(1).all(|folder| has(folder, 0o001))
}

/// The command after which only the user of this process can read the file.
#[must_use]
pub fn closing_command(path: &Path) -> String {
    let is_own = path.metadata().is_ok_and(|metadata| metadata.uid() == own_uid());
    let path = path.display();
    if is_own {
        format!("chmod 600 {path}")
    } else {
        format!("chown USER {path} && chmod 600 {path}, where USER is the one that Herald runs as")
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Opens a file for reading and writing; a missing one is made, readable by its owner alone. Never follows a symbolic
/// link.
///
/// # Errors
/// When the system refuses, or the file is not a regular one.
pub fn open_private(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    regular(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))
}

/// What was opened without following a symbolic link, if it is a regular file.
///
/// # Errors
/// When it is not, or could not be opened.
pub fn regular(opened: rustix::io::Result<rustix::fd::OwnedFd>) -> io::Result<File> {
    let file = match opened {
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("it is a symbolic link")),
        other => File::from(other?),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn access(path: &Path) -> Option<ForeignAccess> {
        ForeignAccess::of(&std::fs::symlink_metadata(path).unwrap())
    }

    #[test]
    fn writable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("x", &link).unwrap();
        assert_eq!(access(&link), None, "the mode of a link is always 0777");
        for mode in [0o700, 0o755, 0o1755] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(access(folder.path()), None, "{mode:o}");
        }
        for mode in [0o777, 0o775, 0o702, 0o1777] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let found = access(folder.path()).unwrap();
            assert_eq!(found, ForeignAccess::Writable { mode });
            assert_eq!(found.correction(Path::new("/s")), "chmod go-w /s");
        }
    }

    #[test]
    fn open_to_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s").unwrap();
        let link = folder.path().join("link");
        symlink(&file, &link).unwrap();
        for (of_folder, of_file, expected) in [
            (0o755, 0o644, true),
            (0o711, 0o604, true),
            (0o755, 0o640, false),
            (0o755, 0o600, false),
            (0o750, 0o644, false),
        ] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(of_folder)).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(of_file)).unwrap();
            for path in [&file, &link] {
                assert_eq!(is_open_to_everybody(path), expected, "{of_folder:o} {of_file:o}");
            }
        }
        assert!(!is_open_to_everybody(&folder.path().join("missing")));
        assert_eq!(closing_command(&file), format!("chmod 600 {}", file.display()));
    }

    #[test]
    fn owned_by_others() {
        if own_uid() != 0 {
            eprintln!("skipped: only root can give a file to another user");
            return;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        chown(file.path(), Some(1234), None).unwrap();
        let found = access(file.path()).unwrap();
        assert_eq!(found, ForeignAccess::Owner { uid: 1234 });
        assert_eq!(found.correction(Path::new("/s")), "chown 0 /s");
        assert_eq!(found.to_string(), "belongs to another user (uid 1234)");
    }

    #[test]
    fn private_files_are_made_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, target) =
            (folder.path().join("f"), folder.path().join("l"), folder.path().join("t"));
        drop(open_private(&file).unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        std::fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        assert!(open_private(&link).unwrap_err().to_string().contains("symbolic link"));
        assert!(open_private(folder.path()).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }
}
