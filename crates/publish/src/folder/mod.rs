//! Folders that files are published into: every access goes through an open folder and follows no link below it.

pub(crate) mod access;
pub(crate) mod resolve;
pub(crate) mod tree;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::PublishError;
use crate::name::SafeName;

/// A folder that is open. Its path has no links in it.
#[derive(Debug)]
pub(crate) struct BaseFolder {
    fd: OwnedFd,
    path: PathBuf,
}

/// A folder below the base, or why there is none.
#[derive(Debug)]
pub(crate) enum Below {
    Folder(OwnedFd),
    Missing,
    /// Something above it is a file.
    UnderFile,
}

/// What is in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDisk {
    Missing,
    /// Something above it is a file.
    UnderFile,
    File(FileStat),
    Link,
    Folder,
    /// A pipe, a socket, a device.
    Other,
}

/// What changes when a file changes, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    ino: u64,
    size: u64,
    modified_ns: i64,
    changed_ns: i64,
}

/// A regular file as the file system describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    pub(crate) stamp: FileStamp,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl FileStamp {
    /// Whether it is the same file with the same content; it may have further names.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        (self.ino, self.size, self.modified_ns) == (other.ino, other.size, other.modified_ns)
    }
}

pub(crate) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl BaseFolder {
    /// Opens this folder, which must be given without links; none where there is nothing.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, PublishError> {
        let cannot = |error: Errno| PublishError::io("cannot open", path, error);
        let top = openat(CWD, "/", FOLDER, Mode::empty()).map_err(cannot)?;
        let relative = path.strip_prefix("/").unwrap_or(path).to_str().unwrap_or_default();
        match open_below(top, relative, path)? {
            Below::Folder(fd) => Ok(Some(Self { fd, path: path.to_owned() })),
            Below::Missing => Ok(None),
            Below::UnderFile => Err(cannot(Errno::NOTDIR)),
        }
    }

    /// Opens this folder, which is to be there.
    pub(crate) fn required(path: &Path) -> Result<Self, PublishError> {
        Self::open(path)?.ok_or_else(|| PublishError::io("cannot open", path, Errno::NOENT))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder itself, for calls that take one.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The folder with this name below it; empty is the folder itself.
    pub(crate) fn below(&self, relative: &str) -> Result<Below, PublishError> {
        let again = openat(&self.fd, ".", FOLDER, Mode::empty());
        let again = again.map_err(|error| PublishError::io("cannot open", &self.path, error))?;
        open_below(again, relative, &self.path.join(relative))
    }

    /// The folder with this name below it, which must be there.
    pub(crate) fn existing(&self, relative: &str) -> Result<OwnedFd, PublishError> {
        let error = match self.below(relative)? {
            Below::Folder(fd) => return Ok(fd),
            Below::Missing => Errno::NOENT,
            Below::UnderFile => Errno::NOTDIR,
        };
        Err(PublishError::io("cannot open", self.path.join(relative), error))
    }

    /// The deepest folder above this file that is there; empty is the folder itself.
    pub(crate) fn nearest<'a>(&self, name: &'a SafeName) -> Result<&'a str, PublishError> {
        let mut nearest = "";
        for folder in name.folders() {
            match self.below(folder)? {
                Below::Folder(_) => nearest = folder,
                Below::Missing | Below::UnderFile => break,
            }
        }
        Ok(nearest)
    }

    /// What is in the place of this file.
    pub(crate) fn look(&self, name: &SafeName) -> Result<OnDisk, PublishError> {
        match self.below(name.folder())? {
            Below::Folder(fd) => look_in(&fd, name.file_name())
                .map_err(|error| PublishError::io("cannot look at", self.path.join(name.as_str()), error)),
            Below::Missing => Ok(OnDisk::Missing),
            Below::UnderFile => Ok(OnDisk::UnderFile),
        }
    }
}

/// What is in the place of this file of an open folder.
pub(crate) fn look_in(folder: &OwnedFd, file_name: &str) -> Result<OnDisk, Errno> {
    match statat(folder, file_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(on_disk(&stat)),
        Err(Errno::NOENT) => Ok(OnDisk::Missing),
        Err(error) => Err(error),
    }
}

fn on_disk(stat: &Stat) -> OnDisk {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => OnDisk::File(FileStat::of(stat)),
        FileType::Symlink => OnDisk::Link,
        FileType::Directory => OnDisk::Folder,
        _ => OnDisk::Other,
    }
}

impl FileStat {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanos = |seconds: i64, part: u64| {
            seconds.saturating_mul(1_000_000_000).saturating_add(i64::try_from(part).unwrap_or_default())
        };
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let stamp = FileStamp {
            ino: stat.st_ino,
            size,
            modified_ns: nanos(stat.st_mtime, stat.st_mtime_nsec),
            changed_ns: nanos(stat.st_ctime, stat.st_ctime_nsec),
        };
        Self { stamp, size, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid }
    }
}

impl OnDisk {
    /// For people, where it is not a file.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::UnderFile => "below a file",
            Self::File(_) => "a file",
            Self::Link => "a symbolic link",
            Self::Folder => "a folder",
            Self::Other => "no regular file",
        }
    }
}

/// Opens a folder below another one. `path` is for errors.
fn open_below(top: OwnedFd, relative: &str, path: &Path) -> Result<Below, PublishError> {
    if relative.is_empty() {
        return Ok(Below::Folder(top));
    }
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&top, relative, FOLDER, Mode::empty(), how) {
        Ok(fd) => Ok(Below::Folder(fd)),
        Err(Errno::NOENT) => Ok(Below::Missing),
        Err(Errno::LOOP | Errno::XDEV) => Err(PublishError::Link(path.to_owned())),
        // A link in the last place counts as no folder here.
        Err(Errno::NOTDIR | Errno::NOSYS | Errno::PERM | Errno::INVAL) => walk(top, relative, path),
        Err(error) => Err(PublishError::io("cannot open", path, error)),
    }
}

/// The same, part by part: finds out what is in the way, and works on kernels without `openat2`.
fn walk(top: OwnedFd, relative: &str, path: &Path) -> Result<Below, PublishError> {
    let mut folder = top;
    for part in relative.split('/') {
        match openat(&folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(next) => folder = next,
            Err(Errno::NOENT) => return Ok(Below::Missing),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return match look_in(&folder, part) {
                    Ok(OnDisk::Link) => Err(PublishError::Link(path.to_owned())),
                    _ => Ok(Below::UnderFile),
                };
            }
            Err(error) => return Err(PublishError::io("cannot open", path, error)),
        }
    }
    Ok(Below::Folder(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_never_followed() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().canonicalize().unwrap();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        std::fs::write(path.join("file"), "x").unwrap();
        symlink("/tmp", path.join("out")).unwrap();
        symlink("a", path.join("in")).unwrap();
        let base = BaseFolder::open(&path).unwrap().unwrap();
        for (name, expected) in [
            ("a/b/c", Ok(OnDisk::Missing)),
            ("x/y", Ok(OnDisk::Missing)),
            ("file/y", Ok(OnDisk::UnderFile)),
            ("a/b", Ok(OnDisk::Folder)),
            ("out", Ok(OnDisk::Link)),
            ("out/x", Err(())),
            ("out/y/x", Err(())),
            ("in/b", Err(())),
            ("in/b/c", Err(())),
        ] {
            let name = SafeName::read(name.as_bytes()).unwrap();
            let found =
                base.look(&name).map_err(|error| assert!(matches!(error, PublishError::Link(_)), "{error}"));
            assert_eq!(found, expected, "{name}");
            // Without `openat2` the same is found.
            let again = openat(base.fd(), ".", FOLDER, Mode::empty()).unwrap();
            if !name.folder().is_empty() {
                assert_eq!(walk(again, name.folder(), &path).is_err(), expected.is_err(), "{name}");
            }
        }
        assert_eq!(base.nearest(&SafeName::read(b"a/b/c/d").unwrap()).unwrap(), "a/b");
        assert_eq!(base.nearest(&SafeName::read(b"file/c/d").unwrap()).unwrap(), "");
    }
}
