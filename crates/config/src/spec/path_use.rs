//! Whether a path can be used that Herald makes, writes or listens on: for every option that names one.

use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path as FilePath, PathBuf};

use herald_base::private_file::ForeignAccess;
use rustix::fs::{Access, access};
use serde_json::Value;

use super::check_error::CheckError;
use crate::problem::{Path, Problem};

/// The longest path of a socket that the kernel takes.
const LONGEST_SOCKET: usize = 107;
/// What the kernel alone makes files in.
const KERNEL: [&str; 2] = ["/proc", "/sys"];

/// How a path is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathUse {
    /// A folder that files are written to. It is made, with those above it.
    Folder,
    /// The same; the start refuses one that other users can change.
    OwnFolder,
    /// A folder below which others are made, which is said of each of those.
    Root,
    /// A file that is written to. It is made, with the folders above it.
    File,
    /// A socket that is listened on.
    Socket {
        /// Whether the folder is made that it is in.
        makes_folder: bool,
    },
}

/// What is wrong with a path, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct PathProblem {
    what: String,
    help: String,
}

impl PathProblem {
    fn new(what: String, help: impl Into<String>) -> Self {
        Self { what, help: help.into() }
    }
}

impl PathUse {
    /// What is wrong with the path whatever the machine.
    ///
    /// # Errors
    /// Says what.
    pub fn check(self, path: &Value) -> Result<(), CheckError> {
        let path = FilePath::new(path.as_str().unwrap_or_default());
        let is_plain = path.components().all(|part| part != Component::ParentDir);
        let kernel = KERNEL.into_iter().find(|kernel| path.starts_with(kernel));
        // The standard output of a container is a file there, as each open file is.
        let is_open_file = self == Self::File && path.components().any(|part| part.as_os_str() == "fd");
        if let Some(kernel) = kernel.filter(|_| is_plain && !is_open_file) {
            let what = format!("files cannot be created in {kernel} (a file system of the kernel)");
            return Err(CheckError::new(what).help("name a path on a disk, such as one in /var/lib"));
        }
        let length = path.as_os_str().len();
        if matches!(self, Self::Socket { .. }) && length > LONGEST_SOCKET {
            let what =
                format!("the path of a socket has at most {LONGEST_SOCKET} bytes, and this one {length}");
            return Err(CheckError::new(what).help("use a shorter one, such as one in /run"));
        }
        Ok(())
    }

    /// Why a path, or each of a list, cannot be used on this machine. Nothing is made.
    #[must_use]
    pub fn machine_check(self, path: &Value) -> Vec<Problem> {
        let one = |path: &str, at: &Path| self.problems(FilePath::new(path), at);
        match path {
            Value::String(path) => one(path, &Path::top()),
            Value::Array(list) => {
                let texts = list.iter().enumerate().filter_map(|(n, path)| Some((n, path.as_str()?)));
                texts.flat_map(|(n, path)| one(path, &Path::top().index(n))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The same of a path that is written at this place of the configuration.
    #[must_use]
    pub fn problems(self, path: &FilePath, at: &Path) -> Vec<Problem> {
        let found = self.problem(path).into_iter();
        found.map(|found| Problem::probe_error(at.clone(), found.what).help(found.help)).collect()
    }

    fn problem(self, path: &FilePath) -> Option<PathProblem> {
        match self {
            Self::Folder => not_writable(path).err(),
            Self::OwnFolder => not_writable(path).err().or_else(|| not_own(path)),
            Self::Root => is_folder(path).err(),
            // One that is there may be in a folder of somebody else.
            Self::File if path.exists() => not_a_file(path),
            Self::File => folder_of(path, true).err(),
            Self::Socket { makes_folder } => {
                folder_of(path, makes_folder).err().or_else(|| not_a_socket(path))
            }
        }
    }
}

/// The folder of a file, where the file can be made in it.
fn folder_of(path: &FilePath, is_made: bool) -> Result<(), PathProblem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(FilePath::new("."));
    if !is_made && nearest(folder)?.0 != folder {
        let what = format!("{} cannot be created: its folder does not exist", path.display());
        return Err(PathProblem::new(what, format!("create it: mkdir {}", folder.display())));
    }
    not_writable(folder)
}

/// Why nothing can be written in a folder. One that is missing is made later, where its nearest parent allows that.
fn not_writable(folder: &FilePath) -> Result<(), PathProblem> {
    let there = is_folder(folder)?;
    let shown = folder.display();
    let Err(error) = access(&there, Access::WRITE_OK | Access::EXEC_OK) else { return Ok(()) };
    let kind = std::io::Error::from(error).kind();
    let what = match there == folder {
        true => format!("{shown} cannot be written to: {kind}"),
        false => format!("{shown} cannot be created, as {} cannot be written to: {kind}", there.display()),
    };
    Err(PathProblem::new(what, help_with(kind, &there)))
}

/// What is there of a folder: itself, or the nearest one above it.
fn is_folder(folder: &FilePath) -> Result<PathBuf, PathProblem> {
    match nearest(folder)? {
        (there, true) => Ok(there),
        (there, false) => {
            let what = match there == folder {
                true => format!("{} is not a folder", there.display()),
                false => {
                    format!("{} cannot be created: {} is not a folder", folder.display(), there.display())
                }
            };
            Err(PathProblem::new(what, "name another path, or move that file away"))
        }
    }
}

fn help_with(kind: ErrorKind, folder: &FilePath) -> String {
    match kind {
        ErrorKind::PermissionDenied => format!(
            "give it to the user that Herald runs as: chown USER {}; or check as that user",
            folder.display()
        ),
        ErrorKind::ReadOnlyFilesystem => {
            "name a path on a disk that can be written to (under systemd: ReadWritePaths=)".to_owned()
        }
        _ => "name another path".to_owned(),
    }
}

/// What is there of a path: itself, or the nearest above it; and whether that is a folder.
fn nearest(path: &FilePath) -> Result<(PathBuf, bool), PathProblem> {
    for part in path.ancestors() {
        let part = if part.as_os_str().is_empty() { FilePath::new(".") } else { part };
        match std::fs::metadata(part) {
            Ok(found) => return Ok((part.to_owned(), found.is_dir())),
            Err(_) if part.symlink_metadata().is_ok_and(|found| found.is_symlink()) => {
                let what = format!(
                    "{} cannot be used: {} is a dangling symbolic link",
                    path.display(),
                    part.display()
                );
                return Err(PathProblem::new(what, "create its target, or remove the link"));
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let what = format!("{} cannot be reached: {}", path.display(), error.kind());
                return Err(PathProblem::new(what, help_with(error.kind(), part)));
            }
            Err(_) => {}
        }
    }
    Ok((PathBuf::from("/"), true))
}

/// Why the start refuses a folder that is there: others could change what is in it.
fn not_own(folder: &FilePath) -> Option<PathProblem> {
    let ways = [folder.to_owned()].into_iter().chain(folder.canonicalize());
    ways.into_iter().find_map(|folder| {
        let access = ForeignAccess::of(&folder.symlink_metadata().ok()?)?;
        let what = format!("{} {access}, who could change what is in it", folder.display());
        Some(PathProblem::new(what, access.correction(&folder)))
    })
}

fn not_a_file(path: &FilePath) -> Option<PathProblem> {
    let shown = path.display();
    if std::fs::metadata(path).ok()?.is_dir() {
        return Some(PathProblem::new(format!("{shown} is a folder"), "name a file in it"));
    }
    let kind = std::io::Error::from(access(path, Access::WRITE_OK).err()?).kind();
    Some(PathProblem::new(format!("{shown} cannot be written to: {kind}"), help_with(kind, path)))
}

fn not_a_socket(path: &FilePath) -> Option<PathProblem> {
    let found = path.symlink_metadata().ok()?;
    (!found.file_type().is_socket()).then(|| {
        let what = format!("{} exists and is not a socket; it is not replaced", path.display());
        PathProblem::new(what, "remove it, or name another path")
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use serde_json::json;

    use super::*;

    const USES: [PathUse; 6] = [
        PathUse::Folder,
        PathUse::Root,
        PathUse::OwnFolder,
        PathUse::File,
        PathUse::Socket { makes_folder: true },
        PathUse::Socket { makes_folder: false },
    ];

    fn found(place: PathUse, path: &FilePath) -> Option<String> {
        let problem = place.machine_check(&json!(path)).pop()?;
        assert!(problem.help.is_some_and(|help| !help.is_empty()), "{path:?}");
        Some(problem.message)
    }

    #[test]
    fn what_is_in_the_way_is_named_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        symlink("/there/is/none", at("link")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for place in USES {
            let makes_folder = place != PathUse::Socket { makes_folder: false };
            assert_eq!(found(place, &at("new")), None, "{place:?}");
            assert_eq!(found(place, &at("a/b/new")).is_none(), makes_folder, "{place:?}");
            let why = found(place, &at("file/a/b")).unwrap();
            assert!(!makes_folder || why.ends_with("/file is not a folder"), "{why}");
            let why = found(place, &at("link/a")).unwrap();
            assert!(why.ends_with("/link is a dangling symbolic link"), "{why}");
        }
        for (place, path, why) in [
            (PathUse::Folder, "file", "/file is not a folder"),
            (PathUse::File, ".", "is a folder"),
            (USES[5], "file", "exists and is not a socket; it is not replaced"),
            (USES[5], "a/b", "cannot be created: its folder does not exist"),
        ] {
            let message = found(place, &at(path)).unwrap();
            assert!(message.ends_with(why), "{message}");
        }
        for (place, path) in [(PathUse::File, "file"), (USES[4], "socket")] {
            assert_eq!(found(place, &at(path)), None);
        }
        assert_eq!(found(PathUse::File, FilePath::new("/dev/null")), None);
        set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let why = found(PathUse::OwnFolder, folder.path()).unwrap();
        assert!(why.contains("can be written by other users"), "{why}");
        assert_eq!(found(PathUse::OwnFolder, &at("new")), None, "it is made private");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        let long = format!("/run/{}", "x".repeat(LONGEST_SOCKET));
        for (place, path, why) in [
            (PathUse::Folder, "/proc/xx", Some("files cannot be created in /proc")),
            (PathUse::OwnFolder, "/sys/work", Some("files cannot be created in /sys")),
            (PathUse::File, "/proc/heraldd.log", Some("files cannot be created in /proc")),
            (USES[4], "/proc/socket", Some("files cannot be created in /proc")),
            (USES[5], &long, Some("has at most 107 bytes, and this one 112")),
            (PathUse::Folder, &long, None),
            (PathUse::File, "/proc/self/fd/1", None),
            (PathUse::Folder, "/proc/../srv", None),
            (PathUse::Folder, "/process", None),
        ] {
            let said = place.check(&json!(path)).err().map(|error| error.message);
            let is_right = match why {
                None => said.is_none(),
                Some(why) => said.as_ref().is_some_and(|said| said.contains(why)),
            };
            assert!(is_right, "{path}: {said:?}");
        }
    }

    /// Only another user than root is kept from anything by permissions.
    #[test]
    fn missing_permissions_are_named() {
        if rustix::process::geteuid().is_root() {
            eprintln!("skipped: root may write everywhere");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
        for place in USES.into_iter().filter(|place| *place != PathUse::Root) {
            let why = found(place, &folder.path().join("new")).unwrap();
            assert!(why.contains("cannot be written to: permission denied"), "{why}");
        }
    }
}
