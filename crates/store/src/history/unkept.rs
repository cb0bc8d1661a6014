//! Jobs that the history does not keep once they have ended (`policy.keep`), and the events that go with them.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction};

use super::id_text::IdText;
use crate::journal::entry::Id;

/// What goes in one step.
#[derive(Default)]
pub(super) struct Unkept {
    jobs: HashSet<Id>,
    /// Events that go once they are routed, unless there is a job of them.
    events: HashSet<Id>,
}

impl Unkept {
    /// A job goes.
    pub(super) fn job(&mut self, job: Id) {
        self.jobs.insert(job);
    }

    /// An event goes, unless there is a job of it.
    pub(super) fn event(&mut self, event: Id) {
        self.events.insert(event);
    }

    /// Deletes the rows of the jobs that have some, and then the events without jobs. Returns the jobs, with the number
    /// of attempts of each.
    pub(super) fn delete(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(String, u32)>> {
        let mut gone = Vec::new();
        let mut events: Vec<String> =
            self.events.iter().map(|event| IdText::of(*event).as_str().to_owned()).collect();
        for job in &self.jobs {
            let id = IdText::of(*job);
            let row = transaction
                .prepare_cached("DELETE FROM jobs WHERE id = ?1 RETURNING event_id, attempt")?
                .query_row([id.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
                .optional()?;
            if let Some((event, attempts)) = row {
                events.push(event);
                gone.push((id.as_str().to_owned(), attempts));
            }
            transaction.prepare_cached("DELETE FROM attempts WHERE job_id = ?1")?.execute([id.as_str()])?;
        }
        for event in events {
            transaction
                .prepare_cached(
                    "DELETE FROM events WHERE id = ?1 AND routed_at IS NOT NULL
                         AND NOT EXISTS (SELECT 1 FROM jobs WHERE event_id = ?1)",
                )?
                .execute([event])?;
        }
        Ok(gone)
    }
}
