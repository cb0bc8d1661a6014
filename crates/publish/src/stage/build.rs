//! A whole new folder beside the old one, for `swap: directory`: new files, files that stay, and those of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rustix::fs::fstat;

use super::write::{self, NewFile};
use crate::error::PublishError;
use crate::folder::tree::{make_folder, remove_tree};
use crate::folder::{BaseFolder, access};
use crate::moves::carry::carry;
use crate::plan::Planned;

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
        if let Some(old) = &old {
            carry(progress, old, &fresh)?;
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
