//! Whole folders: what is in them, how they are made, how they are removed.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::{BaseFolder, FOLDER, OnDisk, look_in};
use crate::error::PublishError;

/// The names in a folder that are text.
pub(crate) fn entries(folder: &OwnedFd, path: &Path) -> Result<Vec<String>, PublishError> {
    let cannot = |error| PublishError::io("cannot list", path, error);
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        match entry.file_name().to_str() {
            Ok("." | "..") => {}
            Ok(name) => names.push(name.to_owned()),
            Err(_) => return Err(cannot(Errno::ILSEQ)),
        }
    }
    Ok(names)
}

pub(crate) fn make_folder(above: &OwnedFd, name: &str, path: &Path) -> Result<(), PublishError> {
    match mkdirat(above, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(PublishError::io("cannot make", path, error)),
    }
}

/// Removes a folder with all that is in it; links in it are removed, not followed.
pub(crate) fn remove_tree(above: &OwnedFd, name: &str, path: &Path) -> Result<(), PublishError> {
    let cannot = |error: Errno| PublishError::io("cannot remove", path, error);
    match look_in(above, name).map_err(cannot)? {
        OnDisk::Missing | OnDisk::UnderFile => return Ok(()),
        OnDisk::Folder => {}
        OnDisk::File(_) | OnDisk::Link | OnDisk::Other => {
            return unlinkat(above, name, AtFlags::empty()).map_err(cannot);
        }
    }
    let how = FOLDER | rustix::fs::OFlags::NOFOLLOW;
    let folder = openat(above, name, how, Mode::empty()).map_err(cannot)?;
    for entry in entries(&folder, path)? {
        remove_tree(&folder, &entry, &path.join(&entry))?;
    }
    unlinkat(above, name, AtFlags::REMOVEDIR).map_err(cannot)
}

/// The same by its path.
pub(crate) fn remove_at(path: &Path) -> Result<(), PublishError> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match BaseFolder::open(above)? {
        Some(above) => remove_tree(above.fd(), &name.to_string_lossy(), path),
        None => Ok(()),
    }
}
