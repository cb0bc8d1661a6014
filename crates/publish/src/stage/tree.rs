//! The folder that a check sees: every file of the project as it will be, under its own name, and links to all else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustix::fs::symlinkat;

use crate::error::PublishError;
use crate::folder::tree::{entries, make_folder, remove_tree};
use crate::folder::{BaseFolder, Below, access};
use crate::ledger::data::ChangeRecord;
use crate::name::{OWN_PREFIX, SafeName};
use crate::plan::Planned;

impl Planned {
    pub(super) fn make_tree(&self, base: &BaseFolder) -> Result<PathBuf, PublishError> {
        let Some(progress) = &self.ledger.progress else { return Ok(base.path().to_owned()) };
        let name = progress.tree_name();
        let path = base.path().join(&name);
        remove_tree(base.fd(), &name, &path)?;
        make_folder(base.fd(), &name, &path)?;
        let tree = BaseFolder::required(&path)?;
        let folders: BTreeSet<&str> = self.files.keys().flat_map(SafeName::folders).collect();
        for folder in folders {
            make_folder(tree.fd(), folder, &path.join(folder))?;
        }
        let changes = progress.changes.iter().filter(|change| !change.in_old_folder);
        let changes: BTreeMap<&SafeName, &ChangeRecord> =
            changes.map(|change| (&change.name, change)).collect();
        for (name, file) in &self.files {
            let to = tree.existing(name.folder())?;
            let cannot = |error| PublishError::io("cannot write", path.join(name.as_str()), error);
            let kept = match changes.get(name).filter(|_| file.is_written) {
                Some(change) => {
                    let from = base.existing(&change.staged_in)?;
                    access::keep(&from, &progress.new_name(change), &to, name.file_name())
                }
                None => access::keep(&base.existing(name.folder())?, name.file_name(), &to, name.file_name()),
            };
            kept.map_err(cannot)?;
        }
        self.link_others(base, &tree)?;
        Ok(path)
    }

    /// What else is in the folders of the files, as links to where it is.
    fn link_others(&self, base: &BaseFolder, tree: &BaseFolder) -> Result<(), PublishError> {
        let mut folders: BTreeSet<&str> = self.files.keys().flat_map(SafeName::folders).collect();
        folders.insert("");
        let gone: BTreeSet<&str> = self.gone.iter().map(SafeName::as_str).collect();
        for folder in folders {
            let Below::Folder(from) = base.below(folder)? else { continue };
            let to = tree.existing(folder)?;
            for name in entries(&from, &base.path().join(folder))? {
                let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                if name.starts_with(OWN_PREFIX) || gone.contains(below.as_str()) || access::exists(&to, &name)
                {
                    continue;
                }
                let at = base.path().join(&below);
                symlinkat(&at, &to, &*name).map_err(|error| PublishError::io("cannot link to", at, error))?;
            }
        }
        Ok(())
    }
}
