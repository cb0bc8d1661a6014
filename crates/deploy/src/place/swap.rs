//! How a new tree becomes live: in one system call.

use std::fs::symlink_metadata;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::record::sync_folder;
use crate::error::DeployError;

/// The number of a folder in its file system; `None` where there is none. A link is not followed.
pub(crate) fn inode(folder: &Path) -> Result<Option<u64>, DeployError> {
    match symlink_metadata(folder) {
        Ok(found) => Ok(Some(found.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DeployError::io("read", folder, error)),
    }
}

/// Both folders change places; where nothing is live yet, the new one goes there.
pub(crate) fn exchange(fresh: &Path, live: &Path) -> Result<(), DeployError> {
    let flags = match inode(live)? {
        Some(_) => RenameFlags::EXCHANGE,
        None => RenameFlags::NOREPLACE,
    };
    match renameat_with(CWD, fresh, CWD, live, flags) {
        Ok(()) => {}
        Err(error @ (Errno::INVAL | Errno::NOSYS | Errno::XDEV)) => {
            let hint = "its file system cannot exchange it with a folder beside it; use mode: releases";
            return Err(DeployError::io("exchange", live, std::io::Error::other(format!("{error}: {hint}"))));
        }
        Err(error) => return Err(DeployError::io("exchange", live, error)),
    }
    for folder in [fresh.parent(), live.parent()].into_iter().flatten() {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Whether two folders beside this path can change places.
pub(crate) fn probe(side: &Path) -> Result<(), DeployError> {
    let (one, other) = (side.join("probe-1"), side.join("probe-2"));
    for folder in [&one, &other] {
        std::fs::create_dir_all(folder).map_err(|error| DeployError::io("create", folder, error))?;
    }
    let exchanged = exchange(&one, &other);
    for folder in [&one, &other] {
        std::fs::remove_dir(folder).map_err(|error| DeployError::io("remove", folder, error))?;
    }
    exchanged
}

/// The link points to another tree from now on.
pub(crate) fn relink(link: &Path, target: &Path) -> Result<(), DeployError> {
    if symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        let error = std::io::Error::other("it is not a symbolic link; move it away");
        return Err(DeployError::io("replace", link, error));
    }
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = link.with_file_name(name);
    let _ = std::fs::remove_file(&fresh);
    let linked = symlink(target, &fresh).and_then(|()| std::fs::rename(&fresh, link));
    linked.map_err(|error| DeployError::io("replace", link, error))?;
    sync_folder(link.parent().unwrap_or(link))
}

/// The tree that the link points to.
pub(crate) fn linked(link: &Path) -> Option<String> {
    let target: PathBuf = std::fs::read_link(link).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}
