//! Backups: made before anything changes, removed again when the publication is undone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;

use crate::error::PublishError;
use crate::folder::{BaseFolder, OnDisk, access};
use crate::ledger::ProjectLedger;
use crate::ledger::data::{BackupRecord, ChangeRecord, PublicationProgress};
use crate::plan::backup_name;

/// Readable by nobody else: what is backed up may be secret.
const FOLDER_MODE: u32 = 0o700;

/// Makes the backups of all changes.
pub(crate) fn make(ledger: &ProjectLedger) -> Result<(), PublishError> {
    let Some(progress) = &ledger.progress else { return Ok(()) };
    let mut touched = BTreeMap::new();
    for change in &progress.changes {
        if let Some(backup) = &change.backup {
            let folder = make_one(progress, change, backup)?;
            touched.insert(backup.folder.clone(), folder);
        }
    }
    for (path, folder) in touched {
        access::sync(folder.fd()).map_err(|error| PublishError::io("cannot sync", path, error))?;
    }
    Ok(())
}

fn make_one(
    progress: &PublicationProgress,
    change: &ChangeRecord,
    backup: &BackupRecord,
) -> Result<BaseFolder, PublishError> {
    let to = make_folder(backup)?;
    let from = BaseFolder::required(source(progress, change))?;
    let above = from.existing(change.name.folder())?;
    let path = backup.folder.join(&backup.file_name);
    // A file that is written in place would change a second name of it as well, and so would its editor.
    let copied = access::copy(&above, change.name.file_name(), to.fd(), &backup.file_name);
    copied.map_err(|error| PublishError::io("cannot write the backup", path, error))?;
    Ok(to)
}

fn source<'a>(progress: &'a PublicationProgress, change: &ChangeRecord) -> &'a PathBuf {
    progress.old_folder.as_ref().filter(|_| change.in_old_folder).unwrap_or(&progress.folder)
}

fn make_folder(backup: &BackupRecord) -> Result<BaseFolder, PublishError> {
    let mut there = backup.folder.as_path();
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut folder = loop {
        match BaseFolder::open(there)? {
            Some(folder) => break folder,
            None => match (there.parent(), there.file_name()) {
                (Some(above), Some(name)) => {
                    missing.push(name);
                    there = above;
                }
                _ => return Err(PublishError::io("cannot open", there, Errno::NOENT)),
            },
        }
    };
    for name in missing.into_iter().rev() {
        let path = folder.path().join(name);
        match mkdirat(folder.fd(), name, Mode::from_raw_mode(FOLDER_MODE)) {
            Ok(()) | Err(Errno::EXIST) => folder = BaseFolder::required(&path)?,
            Err(error) => return Err(PublishError::io("cannot make", path, error)),
        }
    }
    Ok(folder)
}

/// Removes the backups of a publication that is undone.
pub(crate) fn remove(progress: &PublicationProgress) -> Result<(), PublishError> {
    for backup in progress.changes.iter().filter_map(|change| change.backup.as_ref()) {
        if let Some(folder) = BaseFolder::open(&backup.folder)? {
            let path = backup.folder.join(&backup.file_name);
            for name in [&backup.file_name, &format!("{}.part", backup.file_name)] {
                access::remove(folder.fd(), name)
                    .map_err(|error| PublishError::io("cannot remove", &path, error))?;
            }
        }
    }
    Ok(())
}

/// Removes the oldest backups of the files that have new ones.
pub(crate) fn trim(progress: &PublicationProgress) {
    let Some(keep) = progress.backup_keep else { return };
    for change in &progress.changes {
        let Some(backup) = &change.backup else { continue };
        if let Err(error) = trim_one(backup, change.name.file_name(), keep) {
            tracing::warn!(folder = %backup.folder.display(), %error, "old backups cannot be removed");
        }
    }
}

fn trim_one(backup: &BackupRecord, of: &str, keep: usize) -> Result<(), PublishError> {
    let Some(folder) = BaseFolder::open(&backup.folder)? else { return Ok(()) };
    let cannot = |error: std::io::Error| PublishError::io("cannot list", &backup.folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&backup.folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name();
        found.extend(name.to_str().filter(|name| backup_name::order(name, of).is_some()).map(str::to_owned));
    }
    found.sort_unstable();
    let surplus = found.len().saturating_sub(keep);
    for name in &found[..surplus] {
        if matches!(crate::folder::look_in(folder.fd(), name), Ok(OnDisk::File(_))) {
            access::remove(folder.fd(), name).map_err(cannot)?;
        }
    }
    Ok(())
}
