//! Drift: what was published and is not on disk any more as it was written.

use crate::error::PublishError;
use crate::folder::{BaseFolder, OnDisk, access};
use crate::ledger::data::{LedgerData, PublishedFile};
use crate::name::SafeName;

/// How a file differs from what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    /// It is not there, or something else is.
    Missing,
    /// Its content.
    Content,
    /// Its mode or its owner.
    Attributes,
}

/// A file that is not as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftedFile {
    /// Its name below the folder.
    pub name: String,
    /// How it differs.
    pub kind: DriftKind,
}

/// Every file that differs from the ledger. Only files whose status changed are read.
///
/// # Errors
/// When the disk cannot be read.
pub fn drifted(data: &LedgerData) -> Result<Vec<DriftedFile>, PublishError> {
    let Some(path) = data.folder.as_ref().filter(|_| !data.files.is_empty()) else { return Ok(Vec::new()) };
    let Some(base) = BaseFolder::open(path)? else {
        let missing = |name: &SafeName| DriftedFile { name: name.to_string(), kind: DriftKind::Missing };
        return Ok(data.files.keys().map(missing).collect());
    };
    let mut found = Vec::new();
    for (name, file) in &data.files {
        if let Some(kind) = drift_of(&base, name, file)? {
            found.push(DriftedFile { name: name.to_string(), kind });
        }
    }
    Ok(found)
}

fn drift_of(
    base: &BaseFolder,
    name: &SafeName,
    file: &PublishedFile,
) -> Result<Option<DriftKind>, PublishError> {
    let stat = match base.look(name) {
        Ok(OnDisk::File(stat)) => stat,
        // A link above it hides the file.
        Ok(_) | Err(PublishError::Link(_)) => return Ok(Some(DriftKind::Missing)),
        Err(error) => return Err(error),
    };
    if file.stamp != Some(stat.stamp) {
        let is_same = stat.size == file.size && {
            let above = base.existing(name.folder())?;
            let sha256 = access::sha256_of(&above, name.file_name());
            let cannot = |error| PublishError::io("cannot read", base.path().join(name.as_str()), error);
            sha256.map_err(cannot)? == file.sha256
        };
        if !is_same {
            return Ok(Some(DriftKind::Content));
        }
    }
    let is_owner = file.uid.is_none_or(|uid| uid == stat.uid) && file.gid.is_none_or(|gid| gid == stat.gid);
    let is_same = is_owner && stat.mode & 0o777 == file.mode & 0o777;
    Ok((!is_same).then_some(DriftKind::Attributes))
}
