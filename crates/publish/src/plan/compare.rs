//! One file after the other: wanted, in the ledger, on disk.

use std::collections::BTreeMap;

use super::backup_name;
use super::file::{DEFAULT_MODE, PlannedFile, entry};
use super::request::{FileAttributes, PublicationRequest};
use crate::error::PublishError;
use crate::folder::access::{self, Attributes};
use crate::folder::resolve::ResolvedFolder;
use crate::folder::{BaseFolder, FileStat, OnDisk};
use crate::ledger::data::{BackupRecord, ChangeKind, ChangeRecord, LedgerData, PreviousFile, PublishedFile};
use crate::name::SafeName;

/// The comparison while it is made.
pub(super) struct Comparison<'a> {
    pub(super) request: &'a PublicationRequest,
    pub(super) data: &'a LedgerData,
    /// None where it is missing.
    pub(super) folder: Option<&'a BaseFolder>,
    pub(super) old_folder: Option<&'a BaseFolder>,
    /// Whether the ledger speaks of another folder.
    pub(super) is_moved: bool,
    pub(super) backup_dir: Option<&'a ResolvedFolder>,
    pub(super) files: BTreeMap<SafeName, PlannedFile>,
    pub(super) changes: Vec<ChangeRecord>,
    pub(super) gone: Vec<SafeName>,
    pub(super) left: Vec<String>,
    pub(super) drifted: Vec<String>,
}

impl Comparison<'_> {
    /// What happens to a file that is wanted.
    pub(super) fn wanted(&mut self, n: usize, name: &SafeName) -> Result<(), PublishError> {
        let Some(wanted) = self.request.wanted.get(n) else { return Ok(()) };
        let target = &self.request.target;
        let own = target.files.get(name.as_str()).copied().unwrap_or_default();
        let demanded = own.or(target.attributes);
        let known = self.data.files.get(name).filter(|_| !self.is_moved);
        let found = match self.folder {
            Some(folder) => folder.look(name)?,
            None => OnDisk::Missing,
        };
        let path = self.request.target.deploy_path.trim_end_matches('/').to_owned();
        let occupied = |what| PublishError::Occupied { path: format!("{path}/{name}").into(), what };
        let stat = match found {
            OnDisk::File(stat) => Some(stat),
            OnDisk::Missing | OnDisk::Link => None,
            // It must be one that goes in the same publication.
            OnDisk::UnderFile if self.blocker_goes(name) => None,
            OnDisk::UnderFile | OnDisk::Folder | OnDisk::Other => return Err(occupied(found.kind())),
        };
        let attributes = attributes(demanded, known, stat);
        let mut entry = entry(wanted, demanded, attributes.mode);
        let sha256 = stat.map(|stat| self.sha256(name, stat, known)).transpose()?;
        let is_same = sha256.as_ref() == Some(&entry.sha256)
            && stat.is_some_and(|stat| has_attributes(stat, attributes, demanded));
        let stays = |known: &&PublishedFile| {
            known.sha256 == entry.sha256 && known.mode == entry.mode && !wanted.rewrite && !is_same
        };
        if let Some(known) = known.filter(|known| self.request.leaves_drift && stays(known)) {
            self.drifted.push(name.to_string());
            let file = PlannedFile { wanted: n, entry: known.clone(), attributes, is_written: false };
            self.files.insert(name.clone(), file);
            return Ok(());
        }
        let is_written = !is_same || wanted.rewrite;
        if is_written {
            let by_hand = match (&sha256, known) {
                (Some(found), Some(known)) => *found != known.sha256,
                (Some(found), None) => *found != entry.sha256,
                (None, _) => false,
            };
            let is_backed_up = stat.is_some() && (by_hand || target.backup.on_replace) && !is_same;
            let backup = if is_backed_up { self.backup(name)? } else { None };
            let staged_in = self.folder.map_or(Ok(""), |folder| folder.nearest(name))?.to_owned();
            self.change(ChangeKind::Write, name, &entry, previous(found), backup, staged_in);
        } else {
            entry.stamp = stat.map(|stat| stat.stamp);
        }
        self.files.insert(name.clone(), PlannedFile { wanted: n, entry, attributes, is_written });
        Ok(())
    }

    /// What happens to the files of the ledger that are not wanted any more.
    pub(super) fn unwanted(&mut self) -> Result<(), PublishError> {
        let folder = if self.is_moved { self.old_folder } else { self.folder };
        let data = self.data;
        for (name, known) in &data.files {
            if !self.is_moved && self.files.contains_key(name) {
                continue;
            }
            if !self.is_moved || !self.files.contains_key(name) {
                self.gone.push(name.clone());
            }
            let Some(folder) = folder else { continue };
            let found = folder.look(name)?;
            let OnDisk::File(stat) = found else {
                if !matches!(found, OnDisk::Missing | OnDisk::UnderFile) {
                    self.left.push(folder.path().join(name.as_str()).display().to_string());
                }
                continue;
            };
            let by_hand = self.sha256_in(folder, name, stat, Some(known))? != known.sha256;
            if by_hand && self.backup_dir.is_none() {
                self.left.push(folder.path().join(name.as_str()).display().to_string());
                continue;
            }
            let is_backed_up = by_hand || self.request.target.backup.on_delete;
            let backup = if is_backed_up { self.backup(name)? } else { None };
            let nothing =
                PublishedFile { sha256: String::new(), md5: String::new(), size: 0, ..known.clone() };
            self.change(ChangeKind::Delete, name, &nothing, previous(found), backup, String::new());
        }
        Ok(())
    }

    fn change(
        &mut self,
        kind: ChangeKind,
        name: &SafeName,
        entry: &PublishedFile,
        previous: PreviousFile,
        backup: Option<BackupRecord>,
        staged_in: String,
    ) {
        self.changes.push(ChangeRecord {
            n: self.changes.len(),
            name: name.clone(),
            key: entry.key.clone(),
            in_old_folder: self.is_moved && kind == ChangeKind::Delete,
            kind,
            staged_in,
            previous,
            backup,
            sha256: entry.sha256.clone(),
            md5: entry.md5.clone(),
            size: entry.size,
        });
    }

    fn backup(&self, name: &SafeName) -> Result<Option<BackupRecord>, PublishError> {
        let Some(dir) = self.backup_dir else { return Ok(None) };
        backup_name::free(dir, name, &self.request.backup_time, &self.request.publication).map(Some)
    }

    /// Whether the file that is where this one needs a folder is deleted by this publication.
    fn blocker_goes(&self, name: &SafeName) -> bool {
        let is_wanted = |folder: &str| {
            self.request.wanted.iter().any(|wanted| {
                self.request.target.nested.apply(&wanted.name).is_ok_and(|name| name.as_str() == folder)
            })
        };
        let ours = |folder: &&str| {
            let found = SafeName::read(folder.as_bytes()).ok();
            let data = self.data.files.keys();
            let is_ours = found.as_ref().is_some_and(|found| data.into_iter().any(|name| name == found));
            let unchanged = found.as_ref().zip(self.folder).is_some_and(|(found, folder)| {
                let known = self.data.files.get(found);
                match folder.look(found) {
                    Ok(OnDisk::File(stat)) => known.is_some_and(|known| {
                        self.sha256(found, stat, Some(known)).is_ok_and(|sha256| sha256 == known.sha256)
                    }),
                    _ => false,
                }
            });
            !self.is_moved && is_ours && (unchanged || self.backup_dir.is_some()) && !is_wanted(folder)
        };
        name.folders().any(|folder| ours(&folder))
    }

    fn sha256(
        &self,
        name: &SafeName,
        stat: FileStat,
        known: Option<&PublishedFile>,
    ) -> Result<String, PublishError> {
        match self.folder {
            Some(folder) => self.sha256_in(folder, name, stat, known),
            None => Ok(String::new()),
        }
    }

    /// Of what is on disk; it is read only where it may have changed.
    fn sha256_in(
        &self,
        folder: &BaseFolder,
        name: &SafeName,
        stat: FileStat,
        known: Option<&PublishedFile>,
    ) -> Result<String, PublishError> {
        if let Some(known) = known.filter(|known| known.stamp == Some(stat.stamp)) {
            return Ok(known.sha256.clone());
        }
        let above = folder.existing(name.folder())?;
        access::sha256_of(&above, name.file_name())
            .map_err(|error| PublishError::io("cannot read", folder.path().join(name.as_str()), error))
    }
}

/// Mode and owner that a file gets: those that are demanded, else those that it had.
fn attributes(demanded: FileAttributes, known: Option<&PublishedFile>, stat: Option<FileStat>) -> Attributes {
    let before = known.map(|known| known.mode).or_else(|| stat.map(|stat| stat.mode & 0o777));
    let owner_is_needed = demanded.uid.is_some() || demanded.gid.is_some();
    Attributes {
        mode: demanded.mode.or(before).unwrap_or(DEFAULT_MODE),
        uid: demanded.uid.or_else(|| stat.map(|stat| stat.uid)),
        gid: demanded.gid.or_else(|| stat.map(|stat| stat.gid)),
        owner_is_needed,
    }
}

fn has_attributes(stat: FileStat, attributes: Attributes, demanded: FileAttributes) -> bool {
    stat.mode & 0o777 == attributes.mode & 0o777
        && demanded.uid.is_none_or(|uid| uid == stat.uid)
        && demanded.gid.is_none_or(|gid| gid == stat.gid)
}

fn previous(found: OnDisk) -> PreviousFile {
    match found {
        OnDisk::File(stat) => PreviousFile::File { stamp: stat.stamp },
        OnDisk::Link => PreviousFile::Link,
        _ => PreviousFile::Missing,
    }
}
