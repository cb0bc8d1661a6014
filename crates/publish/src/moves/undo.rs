//! The way back: everything is as it was before the publication.

use herald_base::failpoint;

use super::{backup, exchange, files};
use crate::error::PublishError;
use crate::folder::BaseFolder;
use crate::folder::tree::remove_tree;
use crate::ledger::ProjectLedger;
use crate::ledger::claims::FileClaims;
use crate::ledger::data::{ProgressStep, PublicationProgress};

/// Records how far a publication is.
pub(crate) fn set_step(ledger: &mut ProjectLedger, step: ProgressStep) -> Result<(), PublishError> {
    if let Some(progress) = &mut ledger.progress {
        progress.step = step;
    }
    ledger.save_progress()
}

/// Undoes after this error; the result is that error, or one that says that undoing failed as well.
pub(crate) fn after(ledger: &mut ProjectLedger, claims: &FileClaims, error: PublishError) -> PublishError {
    let undone = undo_all(ledger, false);
    claims.settle(&ledger.data);
    match undone {
        Ok(()) => error,
        Err(undo) => PublishError::NotUndone { error: Box::new(error), undo: Box::new(undo) },
    }
}

/// Puts everything back as it was before the publication. Doing it again does no harm.
pub(crate) fn undo_all(ledger: &mut ProjectLedger, is_more_due: bool) -> Result<(), PublishError> {
    // While files are staged, nothing of them is in its place yet. What is there all the same was put there by this
    // publication later, and the ledger is that of a backup.
    let is_placed = ledger.progress.as_ref().is_some_and(|progress| progress.step != ProgressStep::Staging);
    // A full disk must not keep the files from being put back; without this record they are put back again.
    let recorded = set_step(ledger, ProgressStep::Undoing);
    let Some(progress) = &ledger.progress else { return recorded };
    failpoint!("publish-undoing");
    remove_check_tree(progress)?;
    match &progress.exchange {
        Some(exchange) => exchange::undo(progress, exchange, is_placed)?,
        None => files::undo(progress, is_placed)?,
    }
    files::undo_deletions(progress)?;
    if is_as_before(progress)? {
        backup::remove(progress)?;
    }
    files::remove_made(progress);
    failpoint!("publish-undone");
    if is_more_due {
        return set_step(ledger, ProgressStep::Undone);
    }
    ledger.progress = None;
    ledger.save_progress()
}

/// Whether every file that was to change is as it was when the publication was planned; otherwise a backup of it may be
/// the only one.
fn is_as_before(progress: &PublicationProgress) -> Result<bool, PublishError> {
    if let Some(exchange) = &progress.exchange
        && exchange::is_exchanged(exchange)?
    {
        return Ok(false);
    }
    let base = BaseFolder::open(&progress.folder)?;
    Ok(base.is_none_or(|base| files::check_unchanged(progress, &base).is_ok()))
}

/// Removes the folder that a check saw.
pub(crate) fn remove_check_tree(progress: &PublicationProgress) -> Result<(), PublishError> {
    if progress.exchange.is_some() {
        return Ok(());
    }
    let Some(base) = BaseFolder::open(&progress.folder)? else { return Ok(()) };
    let name = progress.tree_name();
    remove_tree(base.fd(), &name, &base.path().join(&name))
}
