//! Files that change places one by one. Each step can be done again: what is still to do is seen on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use herald_base::failpoint;
use rustix::fs::{AtFlags, Mode, linkat, mkdirat, renameat};
use rustix::io::Errno;

use crate::error::PublishError;
use crate::folder::{BaseFolder, Below, FileStamp, OnDisk, access, look_in};
use crate::ledger::data::{ChangeKind, ChangeRecord, PreviousFile, PublicationProgress};
use crate::name::SafeName;

/// What was moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) stamps: BTreeMap<SafeName, FileStamp>,
    pub(crate) in_place: Vec<String>,
}

/// Puts the new files in their places.
pub(crate) fn forward(progress: &PublicationProgress, is_first: bool) -> Result<Moved, PublishError> {
    let base = BaseFolder::required(&progress.folder)?;
    let mut moved = Moved::default();
    // A file that is in the way of a folder goes first.
    let needed: BTreeSet<&str> = progress.made_below.iter().map(String::as_str).collect();
    for change in deletions(progress).filter(|change| !change.in_old_folder) {
        if needed.contains(change.name.as_str()) {
            put_aside(progress, &base, change)?;
        }
    }
    for folder in &progress.made_below {
        match mkdirat(base.fd(), folder.as_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(PublishError::io("cannot make", base.path().join(folder), error)),
        }
    }
    let mut folders = BTreeMap::new();
    for change in progress.changes.iter().filter(|change| change.kind == ChangeKind::Write) {
        let name = change.name.folder();
        if !folders.contains_key(name) {
            folders.insert(name, base.existing(name)?);
        }
        let Some(to) = folders.get(name) else { continue };
        let from = base.existing(&change.staged_in)?;
        place(progress, &base, change, &from, to, is_first, &mut moved)?;
        failpoint!("publish-placed");
    }
    sync_all(folders.values(), &base)?;
    Ok(moved)
}

fn place(
    progress: &PublicationProgress,
    base: &BaseFolder,
    change: &ChangeRecord,
    from: &OwnedFd,
    to: &OwnedFd,
    is_first: bool,
    moved: &mut Moved,
) -> Result<(), PublishError> {
    let path = base.path().join(change.name.as_str());
    let cannot = |error: io::Error| PublishError::io("cannot replace", &path, error);
    let (new, old, name) = (progress.new_name(change), progress.old_name(change), change.name.file_name());
    if access::exists(from, &new) {
        let found = look_in(to, name).map_err(|error| cannot(error.into()))?;
        if is_first && !is_as_planned(found, &change.previous) {
            return Err(PublishError::Changed(path));
        }
        if change.previous != PreviousFile::Missing {
            keep_aside(to, name, &old).map_err(cannot)?;
            failpoint!("publish-kept");
        }
        if access::replace(from, &new, to, name).map_err(cannot)? {
            moved.in_place.push(path.display().to_string());
        }
    } else if is_first || !is_new(to, name, change) {
        return Err(PublishError::Changed(path));
    }
    if let Ok(OnDisk::File(stat)) = look_in(to, name) {
        moved.stamps.insert(change.name.clone(), stat.stamp);
    }
    Ok(())
}

/// A second name for what is about to be replaced. A mount point cannot be linked, and is copied.
fn keep_aside(folder: &OwnedFd, name: &str, old: &str) -> io::Result<()> {
    match linkat(folder, name, folder, old, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST | Errno::NOENT) => Ok(()),
        Err(_) => access::copy(folder, name, folder, old),
    }
}

fn is_as_planned(found: OnDisk, previous: &PreviousFile) -> bool {
    match (found, previous) {
        (OnDisk::Missing | OnDisk::UnderFile, PreviousFile::Missing) | (OnDisk::Link, PreviousFile::Link) => {
            true
        }
        // Backups and trees give a file further names, which changes its status but not its content.
        (OnDisk::File(stat), PreviousFile::File { stamp }) => stat.stamp.is_same_content(stamp),
        _ => false,
    }
}

/// Whether every file that changes is still as it was when the publication was planned.
pub(crate) fn check_unchanged(progress: &PublicationProgress, base: &BaseFolder) -> Result<(), PublishError> {
    for change in progress.changes.iter().filter(|change| !change.in_old_folder) {
        if !is_as_planned(base.look(&change.name)?, &change.previous) {
            return Err(PublishError::Changed(base.path().join(change.name.as_str())));
        }
    }
    Ok(())
}

/// Removes what is not wanted any more, in whichever folder it is. It is kept aside until the end.
pub(crate) fn delete(progress: &PublicationProgress, moved: &mut Moved) -> Result<(), PublishError> {
    let mut touched = Vec::new();
    for change in deletions(progress) {
        if let Some(base) = base_of(progress, change)? {
            put_aside(progress, &base, change)?;
            touched.push((base, change.name.folder()));
            failpoint!("publish-deleted");
        }
        moved.stamps.remove(&change.name);
    }
    for (base, folder) in touched {
        if let Below::Folder(folder) = base.below(folder)? {
            sync_all([&folder], &base)?;
        }
    }
    Ok(())
}

/// Deletions that are done file by file.
fn deletions(progress: &PublicationProgress) -> impl Iterator<Item = &ChangeRecord> {
    let by_exchange = progress.exchange.is_some();
    let deletions = progress.changes.iter().filter(|change| change.kind == ChangeKind::Delete);
    deletions.filter(move |change| change.in_old_folder || !by_exchange)
}

fn put_aside(
    progress: &PublicationProgress,
    base: &BaseFolder,
    change: &ChangeRecord,
) -> Result<(), PublishError> {
    // Where a folder is now, the file is gone already.
    let Below::Folder(folder) = base.below(change.name.folder())? else { return Ok(()) };
    let (old, name) = (progress.old_name(change), change.name.file_name());
    // A folder is not what was to be deleted: what is in it was published since, or is of others.
    if access::exists(&folder, &old) || matches!(look_in(&folder, name), Ok(OnDisk::Folder)) {
        return Ok(());
    }
    match renameat(&folder, name, &folder, old.as_str()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(PublishError::io("cannot remove", base.path().join(change.name.as_str()), error)),
    }
}

fn base_of(
    progress: &PublicationProgress,
    change: &ChangeRecord,
) -> Result<Option<BaseFolder>, PublishError> {
    let old = progress.old_folder.as_ref().filter(|_| change.in_old_folder);
    BaseFolder::open(old.unwrap_or(&progress.folder))
}

/// Puts the previous files back in the place of new ones, and removes what was staged. `is_placed`: new files may be in
/// their places.
pub(crate) fn undo(progress: &PublicationProgress, is_placed: bool) -> Result<(), PublishError> {
    let Some(base) = BaseFolder::open(&progress.folder)? else { return Ok(()) };
    let mut touched = BTreeMap::new();
    for change in progress.changes.iter().rev().filter(|change| change.kind == ChangeKind::Write) {
        let path = base.path().join(change.name.as_str());
        let cannot = |error: io::Error| PublishError::io("cannot put back", &path, error);
        let new = progress.new_name(change);
        let is_staged = match base.below(&change.staged_in)? {
            Below::Folder(from) => {
                let is_staged = access::exists(&from, &new);
                if is_staged {
                    access::remove(&from, &new).map_err(cannot)?;
                }
                is_staged
            }
            Below::Missing | Below::UnderFile => false,
        };
        let Below::Folder(folder) = base.below(change.name.folder())? else { continue };
        let (old, name) = (progress.old_name(change), change.name.file_name());
        if access::exists(&folder, &old) {
            put_back(&folder, &old, name).map_err(cannot)?;
        } else if is_placed
            && !is_staged
            && change.previous == PreviousFile::Missing
            && is_new(&folder, name, change)
        {
            access::remove(&folder, name).map_err(cannot)?;
        }
        touched.insert(change.name.folder(), folder);
        failpoint!("publish-put-back");
    }
    sync_all(touched.values(), &base)
}

/// Whether the file is the one that was published: nobody else's is removed.
fn is_new(folder: &OwnedFd, name: &str, change: &ChangeRecord) -> bool {
    matches!(look_in(folder, name), Ok(OnDisk::File(_)))
        && access::sha256_of(folder, name).is_ok_and(|sha256| sha256 == change.sha256)
}

fn put_back(folder: &OwnedFd, old: &str, name: &str) -> io::Result<()> {
    access::replace(folder, old, folder, name)?;
    // Two names of one file: renaming one onto the other does nothing.
    access::remove(folder, old)
}

/// Puts deleted files back.
pub(crate) fn undo_deletions(progress: &PublicationProgress) -> Result<(), PublishError> {
    // What is in the place of a file that is to come back was made by this publication.
    if let Some(base) = BaseFolder::open(&progress.folder)? {
        for folder in progress.made_below.iter().rev() {
            access::remove_empty(base.fd(), folder);
        }
    }
    for change in deletions(progress) {
        let Some(base) = base_of(progress, change)? else { continue };
        let Below::Folder(folder) = base.below(change.name.folder())? else { continue };
        let old = progress.old_name(change);
        if access::exists(&folder, &old) {
            let path = base.path().join(change.name.as_str());
            put_back(&folder, &old, change.name.file_name())
                .and_then(|()| access::sync(&folder))
                .map_err(|error| PublishError::io("cannot put back", path, error))?;
        }
    }
    Ok(())
}

/// Removes the folders that the publication made, as far as they are empty.
pub(crate) fn remove_made(progress: &PublicationProgress) {
    for path in progress.made.iter().rev() {
        if let (Some(above), Some(name)) = (path.parent(), path.file_name())
            && let Ok(Some(above)) = BaseFolder::open(above)
        {
            access::remove_empty(above.fd(), &name.to_string_lossy());
        }
    }
}

/// Removes what was kept aside.
pub(crate) fn remove_old(progress: &PublicationProgress) -> Result<(), PublishError> {
    for change in &progress.changes {
        let Some(base) = base_of(progress, change)? else { continue };
        let path = base.path().join(change.name.as_str());
        if let Below::Folder(folder) = base.below(change.name.folder())? {
            access::remove(&folder, &progress.old_name(change))
                .map_err(|error| PublishError::io("cannot remove what was replaced of", &path, error))?;
        }
        if let Below::Folder(folder) = base.below(&change.staged_in)? {
            access::remove(&folder, &progress.new_name(change))
                .map_err(|error| PublishError::io("cannot remove what was staged of", &path, error))?;
        }
    }
    Ok(())
}

fn sync_all<'a>(
    folders: impl IntoIterator<Item = &'a OwnedFd>,
    base: &BaseFolder,
) -> Result<(), PublishError> {
    for folder in folders {
        access::sync(folder).map_err(|error| PublishError::io("cannot sync", base.path() as &Path, error))?;
    }
    Ok(())
}
