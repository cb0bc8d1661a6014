//! The swap: all files change places, and can change back until the publication is confirmed.

mod exchange;
mod files;
mod finish;
pub(crate) mod recover;

use std::collections::BTreeMap;
use std::path::Path;

use herald_base::failpoint;
use serde_json::Value;

use crate::error::PublishError;
use crate::folder::{BaseFolder, FileStamp};
use crate::ledger::ProjectLedger;
use crate::ledger::claims::FileClaims;
use crate::ledger::data::{ProgressStep, PublicationProgress, PublishedFile};
use crate::name::SafeName;
use crate::plan::PlannedChange;
use crate::stage::{Staged, backup, remove_tree};

/// A publication whose files are in their places, not yet confirmed.
#[derive(Debug)]
pub struct Swapped {
    pub(crate) ledger: ProjectLedger,
    pub(crate) claims: FileClaims,
    pub(crate) unchanged: BTreeMap<SafeName, PublishedFile>,
    pub(crate) stamps: BTreeMap<SafeName, FileStamp>,
    pub(crate) in_place: Vec<String>,
}

/// A publication that is over.
#[derive(Debug)]
pub struct PublicationDone {
    /// Its ledger.
    pub ledger: ProjectLedger,
    /// What changed.
    pub changes: Vec<PlannedChange>,
}

impl Staged {
    /// Lets all files change places.
    ///
    /// # Errors
    /// [`PublishError`]: the previous files are in their places again.
    pub fn swap(mut self) -> Result<Swapped, PublishError> {
        let swapped = set_step(&mut self.ledger, ProgressStep::Swapping).and_then(|()| {
            failpoint!("publish-swapping");
            forward(&self.ledger, true)
        });
        let moved = match swapped.and_then(|moved| {
            set_step(&mut self.ledger, ProgressStep::Swapped)?;
            Ok(moved)
        }) {
            Ok(moved) => moved,
            Err(error) => return Err(undo(&mut self.ledger, &self.claims, error)),
        };
        failpoint!("publish-swapped");
        let files::Moved { stamps, in_place } = moved;
        let Self { ledger, claims, unchanged, .. } = self;
        Ok(Swapped { ledger, claims, unchanged, stamps, in_place })
    }
}

impl Swapped {
    /// What changed.
    #[must_use]
    pub fn changes(&self) -> Vec<PlannedChange> {
        self.ledger.progress.iter().flat_map(|progress| &progress.changes).map(PlannedChange::from).collect()
    }

    /// Files that could not be renamed over, such as the targets of bind mounts, and were written in place.
    #[must_use]
    pub fn in_place(&self) -> &[String] {
        &self.in_place
    }

    /// What the caller gave along to complete it after a crash.
    #[must_use]
    pub fn context(&self) -> Value {
        self.ledger.progress.as_ref().map_or(Value::Null, |progress| progress.context.clone())
    }

    /// The name of the publication.
    #[must_use]
    pub fn publication(&self) -> &str {
        self.ledger.progress.as_ref().map_or("", |progress| &progress.publication)
    }

    /// The ledger as it was before.
    #[must_use]
    pub fn ledger(&self) -> &ProjectLedger {
        &self.ledger
    }

    /// Puts the previous files back. What follows a swap is due once more: [`Undone::settle`] says that it was done.
    ///
    /// # Errors
    /// When a file cannot be put back.
    pub fn undo(mut self) -> Result<Undone, PublishError> {
        undo_all(&mut self.ledger, true)?;
        self.claims.settle(&self.ledger.data);
        Ok(Undone { ledger: self.ledger })
    }
}

/// A publication that was undone after its swap: the previous files are back, and what follows a swap is due.
#[derive(Debug)]
pub struct Undone {
    pub(crate) ledger: ProjectLedger,
}

impl Undone {
    /// What the caller gave along.
    #[must_use]
    pub fn context(&self) -> Value {
        self.ledger.progress.as_ref().map_or(Value::Null, |progress| progress.context.clone())
    }

    /// What follows a swap was done.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn settle(mut self) -> Result<ProjectLedger, PublishError> {
        self.ledger.progress = None;
        self.ledger.save_progress()?;
        Ok(self.ledger)
    }
}

pub(crate) fn set_step(ledger: &mut ProjectLedger, step: ProgressStep) -> Result<(), PublishError> {
    if let Some(progress) = &mut ledger.progress {
        progress.step = step;
    }
    ledger.save_progress()
}

/// Moves everything that was not moved yet. `is_first`: no earlier process began with it.
fn forward(ledger: &ProjectLedger, is_first: bool) -> Result<files::Moved, PublishError> {
    let Some(progress) = &ledger.progress else { return Ok(files::Moved::default()) };
    remove_check_tree(progress)?;
    let mut moved = match &progress.exchange {
        Some(exchange) => exchange::forward(progress, exchange)?,
        None => files::forward(progress, is_first)?,
    };
    files::delete(progress, &mut moved)?;
    Ok(moved)
}

/// Undoes after this error; the result is that error, or one that says that undoing failed as well.
pub(crate) fn undo(ledger: &mut ProjectLedger, claims: &FileClaims, error: PublishError) -> PublishError {
    let undone = undo_all(ledger, false);
    claims.settle(&ledger.data);
    match undone {
        Ok(()) => error,
        Err(undo) => PublishError::NotUndone { error: Box::new(error), undo: Box::new(undo) },
    }
}

/// Puts everything back as it was before the publication. Doing it again does no harm.
pub(crate) fn undo_all(ledger: &mut ProjectLedger, is_more_due: bool) -> Result<(), PublishError> {
    // A full disk must not keep the files from being put back; without this record they are put back again.
    let recorded = set_step(ledger, ProgressStep::Undoing);
    let Some(progress) = &ledger.progress else { return recorded };
    failpoint!("publish-undoing");
    remove_check_tree(progress)?;
    match &progress.exchange {
        Some(exchange) => exchange::undo(exchange)?,
        None => files::undo(progress)?,
    }
    files::undo_deletions(progress)?;
    backup::remove(progress)?;
    files::remove_made(progress);
    failpoint!("publish-undone");
    if is_more_due {
        return set_step(ledger, ProgressStep::Undone);
    }
    ledger.progress = None;
    ledger.save_progress()
}

/// Removes what is left of a publication that is in the ledger already.
fn clean_up_entered(ledger: &mut ProjectLedger) -> Result<(), PublishError> {
    match ledger.progress.clone() {
        Some(progress) => finish::clean_up(ledger, &progress),
        None => Ok(()),
    }
}

fn remove_check_tree(progress: &PublicationProgress) -> Result<(), PublishError> {
    if progress.exchange.is_some() {
        return Ok(());
    }
    let Some(base) = BaseFolder::open(&progress.folder)? else { return Ok(()) };
    let name = progress.tree_name();
    remove_tree(base.fd(), &name, &base.path().join(&name))
}

fn remove_at(path: &Path) -> Result<(), PublishError> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match BaseFolder::open(above)? {
        Some(above) => remove_tree(above.fd(), &name.to_string_lossy(), path),
        None => Ok(()),
    }
}
