//! The swap: all files change places, and can change back until the publication is confirmed.

mod finish;
pub(crate) mod recover;

use std::collections::BTreeMap;

use herald_base::failpoint;
use serde_json::Value;

use crate::error::PublishError;
use crate::folder::FileStamp;
use crate::ledger::ProjectLedger;
use crate::ledger::claims::FileClaims;
use crate::ledger::data::{ProgressStep, PublishedFile};
use crate::moves::undo::{self, set_step, undo_all};
use crate::moves::{exchange, files};
use crate::name::SafeName;
use crate::plan::PlannedChange;
use crate::stage::Staged;

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
            Err(error) => return Err(undo::after(&mut self.ledger, &self.claims, error)),
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

/// Moves everything that was not moved yet. `is_first`: no earlier process began with it.
fn forward(ledger: &ProjectLedger, is_first: bool) -> Result<files::Moved, PublishError> {
    let Some(progress) = &ledger.progress else { return Ok(files::Moved::default()) };
    undo::remove_check_tree(progress)?;
    let mut moved = match &progress.exchange {
        Some(exchange) => exchange::forward(progress, exchange)?,
        None => files::forward(progress, is_first)?,
    };
    files::delete(progress, &mut moved)?;
    Ok(moved)
}
