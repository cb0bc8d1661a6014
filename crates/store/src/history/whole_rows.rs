//! Reads rows one by one, and leaves out those that are damaged.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::damage::{Damage, is_damage};

/// Reads what is whole, and names what is not.
pub(super) struct WholeRows<'a> {
    pub(super) reader: &'a Connection,
    pub(super) damage: &'a Damage,
}

impl WholeRows<'_> {
    /// Reads the row of each id that this query gives, in the order of the ids.
    ///
    /// # Errors
    /// When the file cannot be read for another reason than damage.
    pub(super) fn each<T>(
        &self,
        what: &str,
        ids: &str,
        mut read: impl FnMut(&str) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut found = self.ids(what, ids)?;
        found.sort_unstable();
        let mut rows = Vec::with_capacity(found.len());
        for id in found {
            rows.extend(self.one(what, &id, || read(&id))?);
        }
        Ok(rows)
    }

    /// Reads one row. `None`: it is damaged, or missing although an index has it.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub(super) fn one<T>(
        &self,
        what: &str,
        id: &str,
        read: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match read().optional() {
            Ok(Some(row)) => Ok(Some(row)),
            Ok(None) => {
                self.damage.found(format!("{what} {id} is missing"));
                Ok(None)
            }
            Err(error) if self.damage.is_behind(&error, &format!("{what} {id}")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids that a query gives, up to the first damaged page.
    pub(super) fn ids(&self, what: &str, query: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.reader.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut ids = Vec::new();
        loop {
            match rows.next() {
                Ok(Some(row)) => match id(row) {
                    Ok(id) => ids.push(id),
                    Err(error) => self.damage.found(format!("a {what} has no valid id: {error}")),
                },
                Ok(None) => return Ok(ids),
                Err(error) if is_damage(&error) => {
                    self.damage.found(format!("the list of every {what} cannot be read to its end: {error}"));
                    return Ok(ids);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn id(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}
