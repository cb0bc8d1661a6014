//! Files of others in the folders that are published into.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::Dir;

use super::file::PlannedFile;
use crate::error::PublishError;
use crate::folder::{BaseFolder, Below};
use crate::ledger::data::PublishedFile;
use crate::name::{OWN_PREFIX, SafeName};

/// How many are listed.
const LISTED: usize = 100;
/// How many entries are looked at.
const LOOKED_AT: usize = 10_000;

/// Their names, in order.
pub(super) fn list(
    base: &BaseFolder,
    files: &BTreeMap<SafeName, PlannedFile>,
    known: &BTreeMap<SafeName, PublishedFile>,
) -> Result<Vec<String>, PublishError> {
    let mut folders: BTreeSet<&str> = files.keys().map(SafeName::folder).collect();
    folders.insert("");
    // A folder on the way to a file is nobody's file.
    let ways: BTreeSet<&str> = files.keys().flat_map(SafeName::folders).collect();
    let mut looked_at = 0;
    let mut found = Vec::new();
    for folder in folders {
        let Below::Folder(fd) = base.below(folder)? else { continue };
        let cannot = |error| PublishError::io("cannot list", base.path().join(folder), error);
        for entry in Dir::read_from(&fd).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name().to_string_lossy();
            let below = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
            let ours = SafeName::read(below.as_bytes())
                .is_ok_and(|name| files.contains_key(&name) || known.contains_key(&name));
            let is_own = matches!(&*name, "." | "..") || name.starts_with(OWN_PREFIX);
            if !is_own && !ours && !ways.contains(below.as_str()) {
                found.push(below);
            }
            looked_at += 1;
            if found.len() >= LISTED || looked_at >= LOOKED_AT {
                return Ok(found);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
