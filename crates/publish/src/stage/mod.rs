//! Staging: the new files are written beside their places, with their owner and mode, and synced. Nothing is visible
//! under its name yet.

mod build;
mod tree;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use herald_base::failpoint;

use self::write::NewFile;
use crate::error::PublishError;
use crate::folder::access;
use crate::ledger::ProjectLedger;
use crate::ledger::claims::FileClaims;
use crate::ledger::contents::PublishedContent;
use crate::ledger::data::{
    ChangeKind, ExchangeKind, ExchangeRecord, ProgressStep, PublicationProgress, PublishedFile, tag,
};
use crate::moves::{backup, undo};
use crate::name::{self, SafeName};
use crate::plan::file::PlannedFile;
use crate::plan::request::SwapKind;
use crate::plan::{Planned, PlannedChange};

/// A publication whose files are ready, beside their places.
#[derive(Debug)]
pub struct Staged {
    pub(crate) ledger: ProjectLedger,
    pub(crate) claims: FileClaims,
    /// Stamps of files that do not change.
    pub(crate) unchanged: BTreeMap<SafeName, PublishedFile>,
    tree: Option<PathBuf>,
}

impl Planned {
    /// Writes the new files beside their places. `needs_tree`: whether [`Staged::tree`] will be asked for.
    ///
    /// # Errors
    /// [`PublishError`]: what was written is removed again.
    pub fn stage(mut self, needs_tree: bool) -> Result<Staged, PublishError> {
        let progress = self.progress();
        self.ledger.progress = Some(progress);
        let staged = self.ledger.save_progress().and_then(|()| {
            failpoint!("publish-staging");
            self.lay_out(needs_tree)
        });
        let tree = match staged {
            Ok(tree) => tree,
            Err(error) => return Err(undo::after(&mut self.ledger, &self.claims, error)),
        };
        failpoint!("publish-staged");
        let unchanged = self.files.into_iter().filter(|(_, file)| !file.is_written);
        let unchanged = unchanged.map(|(name, file)| (name, file.entry)).collect();
        Ok(Staged { ledger: self.ledger, claims: self.claims, unchanged, tree })
    }

    /// The changes are in it from then on.
    fn progress(&mut self) -> PublicationProgress {
        let is_new = |(name, file): &(&SafeName, &PlannedFile)| {
            let known = self.ledger.data.files.get(*name);
            self.old_folder.is_some() || known != Some(&file.entry)
        };
        let next = self.files.iter().filter(is_new);
        let next = next.map(|(name, file)| (name.clone(), file.entry.clone())).collect();
        let exchange = (self.request.target.swap == SwapKind::Directory).then(|| self.exchange());
        let mut made = self.target.missing.clone();
        if exchange.is_some() {
            // The folder itself comes by its exchange.
            made.retain(|folder| *folder != self.target.path);
        }
        PublicationProgress {
            publication: self.request.publication.clone(),
            time: self.request.time.clone(),
            step: ProgressStep::Staging,
            given: self.target.given.clone(),
            folder: self.target.path.clone(),
            old_folder: self.old_folder.as_ref().map(|folder| folder.path().to_owned()),
            made,
            made_below: self.made_below(),
            made_before: self.ledger.data.made_folders.clone(),
            changes: std::mem::take(&mut self.changes),
            exchange,
            next,
            gone: self.gone.clone(),
            backup_keep: self.request.target.backup.keep,
            source: self.request.source.clone(),
            context: self.request.context.clone(),
        }
    }

    /// The folders that the files need and that are missing, the outermost first.
    fn made_below(&self) -> Vec<String> {
        let mut made = BTreeSet::new();
        for change in self.changes.iter().filter(|change| change.kind == ChangeKind::Write) {
            let above = change.name.folders().filter(|folder| folder.len() > change.staged_in.len());
            made.extend(above.map(str::to_owned));
        }
        // A folder comes before what is in it.
        made.into_iter().collect()
    }

    fn exchange(&self) -> ExchangeRecord {
        let target = &self.target;
        let kind = match (target.is_link, target.missing.is_empty()) {
            (true, _) => ExchangeKind::Link,
            (false, true) => ExchangeKind::Folders,
            (false, false) => ExchangeKind::New,
        };
        // The name of a link, in its folder without links.
        let place = if target.is_link {
            let above = target.given.parent().unwrap_or(Path::new("/"));
            let above = above.canonicalize().unwrap_or_else(|_| above.to_owned());
            target.given.file_name().map_or_else(|| above.clone(), |name| above.join(name))
        } else {
            target.path.clone()
        };
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let fresh = format!(".{name}.herald-{}", tag(&self.request.publication));
        ExchangeRecord { fresh: place.with_file_name(fresh), place, kind, fresh_ino: 0 }
    }

    /// Gives the folder that a check sees.
    fn lay_out(&mut self, needs_tree: bool) -> Result<Option<PathBuf>, PublishError> {
        self.keep_contents()?;
        backup::make(&self.ledger)?;
        failpoint!("publish-backed-up");
        if self.request.target.swap == SwapKind::Directory {
            return self.build_fresh().map(Some);
        }
        let base = self.target.make()?;
        let Some(progress) = &self.ledger.progress else { return Ok(None) };
        let mut folders = BTreeMap::new();
        let written = progress.changes.iter().filter(|change| change.kind == ChangeKind::Write);
        for change in written.clone() {
            if !folders.contains_key(change.staged_in.as_str()) {
                folders.insert(change.staged_in.as_str(), base.existing(&change.staged_in)?);
            }
        }
        let mut files = Vec::new();
        for change in written {
            let (Some(folder), Some(file), Some(content)) = (
                folders.get(change.staged_in.as_str()),
                self.files.get(&change.name),
                self.content(&change.name),
            ) else {
                continue;
            };
            let path = base.path().join(change.name.as_str());
            let name = progress.new_name(change);
            files.push(NewFile { folder, name, content, attributes: file.attributes, path });
        }
        write::all(&files)?;
        if let Some(file) = files.first() {
            self.check_case(file.folder, &file.name)?;
        }
        for folder in folders.values() {
            access::sync(folder).map_err(|error| PublishError::io("cannot sync", base.path(), error))?;
        }
        if needs_tree { self.make_tree(&base).map(Some) } else { Ok(None) }
    }

    /// Names that differ in case alone are one where the file system ignores case: a staged file shows that.
    fn check_case(&self, folder: &OwnedFd, staged: &str) -> Result<(), PublishError> {
        let key = |file: &PlannedFile| file.entry.key.clone();
        let names: Vec<(SafeName, String)> =
            self.files.iter().map(|(name, file)| (name.clone(), key(file))).collect();
        match name::same_but_for_case(&names) {
            Some(clash) if access::exists(folder, &staged.to_uppercase()) => Err(clash.into()),
            _ => Ok(()),
        }
    }

    fn keep_contents(&self) -> Result<(), PublishError> {
        let files = self.files.iter().filter_map(|(name, file)| {
            let content = self.content(name)?;
            Some(PublishedContent { name, key: &file.entry.key, sha256: &file.entry.sha256, content })
        });
        let files: Vec<PublishedContent<'_>> = files.collect();
        self.ledger.keep_contents(&self.request.publication, &files)
    }
}

impl Staged {
    /// Adds to what the caller needs to complete it after a crash. It is kept from the swap on.
    pub fn add_context(&mut self, name: &str, value: serde_json::Value) {
        let context = self.ledger.progress.as_mut().and_then(|progress| progress.context.as_object_mut());
        if let Some(context) = context {
            context.insert(name.to_owned(), value);
        }
    }

    /// A folder with all files of the project as they will be, and with links to what else is in the folder.
    #[must_use]
    pub fn tree(&self) -> Option<&Path> {
        self.tree.as_deref()
    }

    /// What will change.
    #[must_use]
    pub fn changes(&self) -> Vec<PlannedChange> {
        let progress = self.ledger.progress.iter();
        progress.flat_map(|progress| &progress.changes).map(PlannedChange::from).collect()
    }

    /// Ends it: what was written is removed.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn discard(mut self) -> Result<ProjectLedger, PublishError> {
        undo::undo_all(&mut self.ledger, false)?;
        self.claims.settle(&self.ledger.data);
        Ok(self.ledger)
    }
}
