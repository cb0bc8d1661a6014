//! What stays when a whole folder is exchanged: files of others, and files that do not change. They are carried from
//! one of the two folders to the other when that is built, and once more right before they change places, since others
//! may have written meanwhile.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, openat, statat};
use rustix::io::Errno;

use crate::error::PublishError;
use crate::folder::tree::{entries, make_folder, remove_tree};
use crate::folder::{BaseFolder, FOLDER, OnDisk, access, look_in};
use crate::ledger::data::PublicationProgress;
use crate::name::OWN_PREFIX;

/// The most entries of others that are carried over.
const MOST_ENTRIES: usize = 100_000;

/// Files on their way from one folder to the other.
struct Carrying<'a> {
    progress: &'a PublicationProgress,
    /// The path of the folder from which they are taken.
    path: &'a Path,
    /// What is not carried over.
    changed: BTreeSet<&'a str>,
    carried: usize,
}

/// Gives every file that does not change a second name in the other folder, and removes what is not in the first one.
pub(crate) fn carry(
    progress: &PublicationProgress,
    from: &BaseFolder,
    to: &BaseFolder,
) -> Result<(), PublishError> {
    let changes = progress.changes.iter().filter(|change| !change.in_old_folder);
    let changed = changes.map(|change| change.name.as_str()).collect();
    Carrying { progress, path: from.path(), changed, carried: 0 }.folder(from.fd(), to.fd(), "")
}

impl Carrying<'_> {
    fn folder(&mut self, from: &OwnedFd, to: &OwnedFd, folder: &str) -> Result<(), PublishError> {
        let path = self.path.join(folder);
        copy_attributes(from, to).map_err(|error| PublishError::io("cannot make", &path, error))?;
        let names = entries(from, &path)?;
        for name in &names {
            self.count()?;
            self.entry(from, to, name, &below(folder, name))?;
        }
        let names: BTreeSet<String> = names.into_iter().collect();
        for name in entries(to, &path)? {
            let below = below(folder, &name);
            if !names.contains(&name) && !name.starts_with(OWN_PREFIX) && !self.is_needed(&below) {
                remove_tree(to, &name, &path.join(&name))?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &str, below: &str) -> Result<(), PublishError> {
        if name.starts_with(OWN_PREFIX) || self.changed.contains(below) {
            return Ok(());
        }
        let path = self.path.join(below);
        let cannot = |error| PublishError::io("cannot carry over", &path, error);
        match look_in(from, name).map_err(|error| cannot(error.into()))? {
            OnDisk::File(_) | OnDisk::Link => {
                if is_same(from, to, name) {
                    return Ok(());
                }
                remove_tree(to, name, &path)?;
                match access::keep(from, name, to, name) {
                    // Its owner removed it in this moment.
                    Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(()),
                    kept => kept.map_err(cannot),
                }
            }
            OnDisk::Folder => {
                let inner = open(from, name, &path)?;
                if self.is_emptied(&inner, below)? {
                    return Ok(());
                }
                if !matches!(look_in(to, name), Ok(OnDisk::Folder)) {
                    remove_tree(to, name, &path)?;
                    make_folder(to, name, &path)?;
                }
                let made = open(to, name, &path)?;
                self.folder(&inner, &made, below)
            }
            OnDisk::Missing | OnDisk::UnderFile => Ok(()),
            other @ OnDisk::Other => Err(PublishError::Occupied { path, what: other.kind() }),
        }
    }

    fn count(&mut self) -> Result<(), PublishError> {
        self.carried += 1;
        if self.carried <= MOST_ENTRIES {
            return Ok(());
        }
        let why = format!("has more than {MOST_ENTRIES} entries; use swap: files");
        let path = self.progress.given.display().to_string();
        Err(PublishError::Folder { option: "deployPath", path, why })
    }

    /// Whether a folder that Herald made has nothing in it that stays.
    fn is_emptied(&self, folder: &OwnedFd, below: &str) -> Result<bool, PublishError> {
        let PublicationProgress { made_before, made_below, .. } = self.progress;
        if !made_before.contains(below) && !made_below.iter().any(|made| made == below) {
            return Ok(false);
        }
        let names = entries(folder, Path::new(below))?;
        Ok(names.iter().all(|name| self.changed.contains(format!("{below}/{name}").as_str())))
    }

    /// Whether this is a changed file, or a folder in which there is one.
    fn is_needed(&self, below: &str) -> bool {
        let inside = format!("{below}/");
        let mut after = self.changed.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded));
        self.changed.contains(below) || after.next().is_some_and(|changed| changed.starts_with(&inside))
    }
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether both names lead to one file.
fn is_same(from: &OwnedFd, to: &OwnedFd, name: &str) -> bool {
    let id = |folder: &OwnedFd| {
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| (stat.st_dev, stat.st_ino))
    };
    id(from).is_some() && id(from) == id(to)
}

fn open(above: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd, PublishError> {
    openat(above, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())
        .map_err(|error| PublishError::io("cannot open", path, error))
}

fn copy_attributes(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let stat = fstat(from)?;
    // Only root can give a folder away; otherwise it stays this user's.
    let _ = fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))
}
