//! The end of a publication: the ledger says what is there now, and what was kept aside goes.

use herald_base::failpoint;
use serde_json::Value;

use super::{PublicationDone, Swapped};
use crate::error::PublishError;
use crate::folder::{BaseFolder, access};
use crate::ledger::ProjectLedger;
use crate::ledger::contents::KEPT;
use crate::ledger::data::{ChangeKind, PublicationProgress, PublicationRecord};
use crate::moves::{backup, exchange, files};

impl Swapped {
    /// Confirms the publication, and keeps what the caller knows of it.
    ///
    /// # Errors
    /// When the ledger cannot be written. The new files are in their places all the same.
    pub fn finish(mut self, note: Value) -> Result<PublicationDone, PublishError> {
        let changes = self.changes();
        let Some(mut progress) = self.ledger.progress.take() else {
            return Ok(PublicationDone { ledger: self.ledger, changes });
        };
        self.enter(&mut progress, note);
        self.ledger.save()?;
        failpoint!("publish-entered");
        self.claims.settle(&self.ledger.data);
        if let Err(error) = clean_up(&mut self.ledger, &progress) {
            // The publication is in the ledger; the next one cleans up.
            tracing::warn!(project = self.ledger.data.id, %error, "a publication is over, but something is left of it");
        }
        failpoint!("publish-cleaned");
        Ok(PublicationDone { ledger: self.ledger, changes })
    }

    fn enter(&mut self, progress: &mut PublicationProgress, note: Value) {
        let data = &mut self.ledger.data;
        data.given = Some(progress.given.clone());
        data.folder = Some(progress.exchange.as_ref().map_or(&*progress.folder, exchange::real).to_owned());
        data.whole_folder = progress.exchange.is_some();
        for name in &progress.gone {
            data.files.remove(name);
        }
        data.files.extend(std::mem::take(&mut progress.next));
        data.files.extend(std::mem::take(&mut self.unchanged));
        for (name, stamp) in &self.stamps {
            if let Some(file) = data.files.get_mut(name) {
                file.stamp = Some(*stamp);
            }
        }
        if progress.old_folder.is_some() {
            data.made_folders.clear();
        }
        if progress.made.contains(&progress.folder) {
            data.made_folders.insert(String::new());
        }
        data.made_folders.extend(progress.made_below.iter().cloned());
        let files = data.files.len();
        let (publication, time) = (progress.publication.clone(), progress.time.clone());
        data.publications.retain(|kept| kept.publication != publication);
        data.publications.push(PublicationRecord { publication, time, files });
        let surplus = data.publications.len().saturating_sub(KEPT);
        data.publications.drain(..surplus);
        data.source = std::mem::take(&mut progress.source);
        data.note = note;
    }
}

/// Removes what a publication that is in the ledger kept aside. Doing it again does no harm.
pub(super) fn clean_up(
    ledger: &mut ProjectLedger,
    progress: &PublicationProgress,
) -> Result<(), PublishError> {
    files::remove_old(progress)?;
    if let Some(exchange) = &progress.exchange {
        exchange::remove_old(exchange)?;
    }
    remove_emptied(ledger, progress)?;
    backup::trim(progress);
    ledger.trim_contents();
    ledger.progress = None;
    ledger.save_progress()
}

/// Folders that Herald made go once they are empty; one that others use is theirs from then on.
fn remove_emptied(ledger: &mut ProjectLedger, progress: &PublicationProgress) -> Result<(), PublishError> {
    let data = &ledger.data;
    let base = match (&progress.old_folder, &data.folder) {
        (Some(old), _) => BaseFolder::open(old)?,
        (None, Some(folder)) => BaseFolder::open(folder)?,
        (None, None) => None,
    };
    let Some(base) = base else { return Ok(()) };
    let is_moved = progress.old_folder.is_some();
    let deleted = progress.changes.iter().filter(|change| change.kind == ChangeKind::Delete);
    let mut folders: Vec<&str> = deleted.flat_map(|change| change.name.folders()).collect();
    folders.sort_unstable();
    folders.dedup();
    let is_ours = |folder: &str| progress.made_before.contains(folder);
    let mut removed = Vec::new();
    // The innermost first.
    for folder in folders.into_iter().rev().filter(|folder| is_ours(folder)) {
        if access::remove_empty(base.fd(), folder) {
            removed.push(folder.to_owned());
        }
    }
    if (is_moved || data.files.is_empty()) && is_ours("") {
        let path = base.path().to_owned();
        if let (Some(above), Some(name)) = (path.parent(), path.file_name())
            && let Some(above) = BaseFolder::open(above)?
            && access::remove_empty(above.fd(), &name.to_string_lossy())
        {
            removed.push(String::new());
        }
    }
    if removed.is_empty() {
        return Ok(());
    }
    if !is_moved {
        ledger.data.made_folders.retain(|folder| !removed.contains(folder));
    }
    ledger.save()
}
