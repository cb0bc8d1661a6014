//! Names of backups: `BACKUPDIR/SUBFOLDER/NAME_watcherbackup_2026-11-29_04:36:19_SUFFIX`.

use crate::error::PublishError;
use crate::folder::OnDisk;
use crate::folder::resolve::ResolvedFolder;
use crate::ledger::data::{BackupRecord, tag};
use crate::name::SafeName;

/// Between a file's name and the time of its backup.
pub(crate) const MARK: &str = "_watcherbackup_";
/// What a file system allows, in bytes.
const LONGEST: usize = 255;

/// A name that no backup has yet.
pub(super) fn free(
    dir: &ResolvedFolder,
    name: &SafeName,
    time: &str,
    publication: &str,
) -> Result<BackupRecord, PublishError> {
    let folder = dir.path.join(name.folder());
    let suffix = tag(publication);
    let opened = dir.open()?;
    for more in 0.. {
        let more = if more == 0 { String::new() } else { more.to_string() };
        let end = format!("{MARK}{time}_{suffix}{more}");
        let cut = name.file_name().floor_char_boundary(LONGEST.saturating_sub(end.len() + ".part".len()));
        let file_name = format!("{}{end}", &name.file_name()[..cut]);
        let inner = match name.folder() {
            "" => file_name.clone(),
            inner => format!("{inner}/{file_name}"),
        };
        let taken = match (&opened, SafeName::read(inner.as_bytes())) {
            (Some(opened), Ok(inner)) => opened.look(&inner)? != OnDisk::Missing,
            _ => false,
        };
        if !taken {
            return Ok(BackupRecord { folder, file_name });
        }
    }
    Err(PublishError::Folder {
        option: "backupDir",
        path: dir.given.display().to_string(),
        why: "is full".into(),
    })
}

/// The part of a backup's name by which those of one file are sorted, where it is one of this file.
pub(crate) fn order<'a>(file_name: &'a str, of: &str) -> Option<&'a str> {
    file_name.strip_prefix(of)?.strip_prefix(MARK)
}
