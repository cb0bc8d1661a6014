//! A whole new folder beside the old one, for `swap: directory`: new files, files that stay, and those of others.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown, fstat};

use super::write::{self, NewFile};
use crate::error::PublishError;
use crate::folder::tree::{entries, make_folder, remove_tree};
use crate::folder::{BaseFolder, OnDisk, access, look_in};
use crate::ledger::data::ChangeKind;
use crate::name::OWN_PREFIX;
use crate::plan::Planned;

/// The most entries of others that are carried over.
const MOST_ENTRIES: usize = 100_000;

/// The files of the old folder on their way to the new one.
struct Carrying<'a> {
    planned: &'a Planned,
    old: &'a BaseFolder,
    /// What is not carried over.
    changed: BTreeMap<&'a str, ChangeKind>,
    carried: &'a mut usize,
}

impl Carrying<'_> {
    /// Gives every file that does not change a second name in the new folder.
    fn carry(&mut self, from: &OwnedFd, to: &OwnedFd, folder: &str) -> Result<(), PublishError> {
        let old = self.old;
        copy_attributes(from, to)
            .map_err(|error| PublishError::io("cannot make", old.path().join(folder), error))?;
        for name in entries(from, &old.path().join(folder))? {
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let path = old.path().join(&below);
            *self.carried += 1;
            if *self.carried > MOST_ENTRIES {
                let why = format!("has more than {MOST_ENTRIES} entries; use swap: files");
                let given = self.planned.target.given.display().to_string();
                return Err(PublishError::Folder { option: "deployPath", path: given, why });
            }
            if name.starts_with(OWN_PREFIX) || self.changed.contains_key(below.as_str()) {
                continue;
            }
            let cannot = |error| PublishError::io("cannot carry over", &path, error);
            match look_in(from, &name).map_err(|error| cannot(error.into()))? {
                OnDisk::File(_) | OnDisk::Link => access::keep(from, &name, to, &name).map_err(cannot)?,
                OnDisk::Folder => {
                    let inner = old.existing(&below)?;
                    if self.is_emptied(&inner, &below)? {
                        continue;
                    }
                    make_folder(to, &name, &path)?;
                    let made = reopen(to, &name, &path)?;
                    self.carry(&inner, &made, &below)?;
                }
                other => return Err(PublishError::Occupied { path, what: other.kind() }),
            }
        }
        Ok(())
    }

    /// Whether a folder that Herald made has nothing left in it.
    fn is_emptied(&self, folder: &OwnedFd, below: &str) -> Result<bool, PublishError> {
        if !self.planned.ledger.data.made_folders.contains(below) {
            return Ok(false);
        }
        let names = entries(folder, Path::new(below))?;
        let goes = |name: &String| {
            let path = format!("{below}/{name}");
            self.changed.get(path.as_str()) == Some(&ChangeKind::Delete)
        };
        Ok(names.iter().all(goes))
    }
}

impl Planned {
    pub(super) fn build_fresh(&mut self) -> Result<PathBuf, PublishError> {
        let old = self.target.open()?;
        let Some(progress) = &self.ledger.progress else { return Ok(self.target.path.clone()) };
        let Some(exchange) = progress.exchange.clone() else { return Ok(self.target.path.clone()) };
        make_above(&progress.made)?;
        let (Some(above), Some(name)) = (exchange.fresh.parent(), exchange.fresh.file_name()) else {
            return Ok(self.target.path.clone());
        };
        let (above, name) = (BaseFolder::required(above)?, name.to_string_lossy().into_owned());
        remove_tree(above.fd(), &name, &exchange.fresh)?;
        make_folder(above.fd(), &name, &exchange.fresh)?;
        let fresh = BaseFolder::required(&exchange.fresh)?;
        let mut carried = 0;
        if let Some(old) = &old {
            let from = old.existing("")?;
            let changed = self.changes.iter().filter(|change| !change.in_old_folder);
            let changed = changed.map(|change| (change.name.as_str(), change.kind)).collect();
            Carrying { planned: self, old, changed, carried: &mut carried }.carry(&from, fresh.fd(), "")?;
        }
        self.write_fresh(&fresh)?;
        access::sync(above.fd()).map_err(|error| PublishError::io("cannot sync", above.path(), error))?;
        let ino =
            fstat(fresh.fd()).map_err(|error| PublishError::io("cannot open", fresh.path(), error))?.st_ino;
        if let Some(exchange) = self.ledger.progress.as_mut().and_then(|progress| progress.exchange.as_mut())
        {
            exchange.fresh_ino = ino;
        }
        Ok(exchange.fresh)
    }

    fn write_fresh(&self, fresh: &BaseFolder) -> Result<(), PublishError> {
        let written = || self.files.iter().filter(|(_, file)| file.is_written);
        let needed: BTreeSet<&str> = written().flat_map(|(name, _)| name.folders()).collect();
        for folder in &needed {
            make_folder(fresh.fd(), folder, &fresh.path().join(folder))?;
        }
        let mut folders = BTreeMap::from([("", fresh.existing("")?)]);
        for folder in needed {
            folders.insert(folder, fresh.existing(folder)?);
        }
        let mut files = Vec::new();
        for (name, file) in written() {
            let (Some(folder), Some(content)) = (folders.get(name.folder()), self.content(name)) else {
                continue;
            };
            let path = fresh.path().join(name.as_str());
            let (name, attributes) = (name.file_name().to_owned(), file.attributes);
            files.push(NewFile { folder, name, content, attributes, path });
        }
        write::all(&files)?;
        for folder in folders.values() {
            access::sync(folder).map_err(|error| PublishError::io("cannot sync", fresh.path(), error))?;
        }
        Ok(())
    }
}

fn make_above(made: &[PathBuf]) -> Result<(), PublishError> {
    for path in made {
        if let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
            make_folder(BaseFolder::required(above)?.fd(), &name.to_string_lossy(), path)?;
        }
    }
    Ok(())
}

fn reopen(above: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, PublishError> {
    let how = crate::folder::FOLDER | rustix::fs::OFlags::NOFOLLOW;
    rustix::fs::openat(above, name, how, Mode::empty())
        .map_err(|error| PublishError::io("cannot open", path, error))
}

fn copy_attributes(from: &OwnedFd, to: &OwnedFd) -> Result<(), rustix::io::Errno> {
    let stat = fstat(from)?;
    // Only root can give a folder away; otherwise it stays this user's.
    let _ = fchown(to.as_fd(), Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))
}
