//! What a crash interrupted is completed or undone.

use std::collections::BTreeMap;

use super::finish::clean_up;
use super::{PublicationDone, Swapped, Undone, forward};
use crate::error::PublishError;
use crate::ledger::ProjectLedger;
use crate::ledger::claims::FileClaims;
use crate::ledger::data::ProgressStep;
use crate::moves::undo::{set_step, undo_all};
use crate::plan::PlannedChange;

/// What is left to do after a crash.
#[derive(Debug)]
pub enum Recovery {
    /// Nothing was interrupted, or nothing of it had become visible and all is as it was before.
    Clean(ProjectLedger),
    /// It was over, and only the end was missing.
    Finished(PublicationDone),
    /// The new files are in their places: what follows a swap is due.
    Swapped(Swapped),
    /// The previous files are in their places: what follows a swap is due as well, since new ones were visible.
    Undone(Undone),
}

/// Deals with what a crash interrupted: what was being staged is removed, a swap is completed, or undone where that is
/// impossible.
///
/// # Errors
/// When neither is possible; it can be tried again.
pub fn recover(mut ledger: ProjectLedger, claims: &FileClaims) -> Result<Recovery, PublishError> {
    let Some(progress) = &ledger.progress else { return Ok(Recovery::Clean(ledger)) };
    let is_entered =
        ledger.data.publications.last().is_some_and(|last| last.publication == progress.publication);
    let step = progress.step;
    if is_entered && step == ProgressStep::Swapped {
        let changes = progress.changes.iter().map(PlannedChange::from).collect();
        let progress = progress.clone();
        clean_up(&mut ledger, &progress)?;
        return Ok(Recovery::Finished(PublicationDone { ledger, changes }));
    }
    let recovery = match step {
        ProgressStep::Staging => {
            undo_all(&mut ledger, false)?;
            Recovery::Clean(ledger)
        }
        ProgressStep::Swapped => Recovery::Swapped(swapped(ledger, claims)),
        ProgressStep::Swapping => match forward(&ledger, false) {
            Ok(_) => {
                set_step(&mut ledger, ProgressStep::Swapped)?;
                Recovery::Swapped(swapped(ledger, claims))
            }
            Err(error) => {
                tracing::warn!(project = ledger.data.id, %error, "an interrupted publication is undone");
                undo_all(&mut ledger, true)?;
                Recovery::Undone(Undone { ledger })
            }
        },
        ProgressStep::Undoing => {
            undo_all(&mut ledger, true)?;
            Recovery::Undone(Undone { ledger })
        }
        ProgressStep::Undone => Recovery::Undone(Undone { ledger }),
    };
    Ok(recovery)
}

/// Without stamps: a file may have been changed by hand since, and is read the next time.
fn swapped(ledger: ProjectLedger, claims: &FileClaims) -> Swapped {
    let (unchanged, stamps) = (BTreeMap::new(), BTreeMap::new());
    Swapped { ledger, claims: claims.clone(), unchanged, stamps, in_place: Vec::new() }
}
