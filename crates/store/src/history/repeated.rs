//! What many rows have in common: most jobs are of few routers, so the names and parameters of one are mostly those of
//! the one before. They are read once, and are the same memory.

use std::sync::Arc;

use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::param::Params;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::column::actor;
use crate::journal::packed::Packed;

/// Columns of a row of a job.
const COLUMNS: usize = 22;

/// What the row before had, by column.
#[derive(Default)]
pub(super) struct Repeated {
    names: [Option<Name>; COLUMNS],
    params: [Option<(Vec<u8>, Arc<Params>)>; COLUMNS],
    actors: [Option<(String, Arc<Actor>)>; COLUMNS],
}

impl Repeated {
    /// A name in this column, below [`COLUMNS`].
    pub(super) fn name(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
        let text = row.get_ref(column)?.as_str()?;
        let last = &mut self.names[column];
        match last {
            Some(name) if **name == *text => Ok(name.clone()),
            _ => Ok(last.insert(text.into()).clone()),
        }
    }

    /// Parameters in this column. `None`: they cannot be read.
    pub(super) fn params(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Arc<Params>>> {
        let bytes = match row.get_ref(column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
            _ => &[],
        };
        let last = &mut self.params[column];
        if let Some((seen, params)) = last
            && seen == bytes
        {
            return Ok(Some(params.clone()));
        }
        let packed: Packed<'_> = row.get(column)?;
        let params: Option<Params> = packed.unpack().ok().and_then(|text| serde_json::from_str(&text).ok());
        Ok(params.map(|params| last.insert((bytes.to_vec(), Arc::new(params))).1.clone()))
    }

    /// Who or what caused something, in this column.
    pub(super) fn actor(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Arc<Actor>>> {
        let Some(json) = row.get_ref(column)?.as_str_or_null()? else { return Ok(None) };
        let last = &mut self.actors[column];
        if let Some((seen, actor)) = last
            && seen == json
        {
            return Ok(Some(actor.clone()));
        }
        let actor = actor(row, column)?;
        Ok(actor.map(|actor| last.insert((json.to_owned(), Arc::new(actor))).1.clone()))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn what_a_row_has_as_the_one_before_is_the_same_memory() {
        let reader = Connection::open_in_memory().unwrap();
        let via = |via: &str| format!(r#"{{"via": "{via}"}}"#);
        let rows =
            [("r", r#"{"a": 1}"#, via("http")), ("r", r#"{"a": 1}"#, via("http")), ("s", "{}", via("cli"))];
        let (mut repeated, mut read) = (Repeated::default(), Vec::new());
        for (router, params, by) in &rows {
            reader
                .query_row("SELECT ?1, ?2, ?3, NULL", [*router, *params, by.as_str()], |row| {
                    let name = repeated.name(row, 0)?;
                    let params = repeated.params(row, 1)?.unwrap();
                    assert!(repeated.actor(row, 3)?.is_none());
                    read.push((name, params, repeated.actor(row, 2)?.unwrap()));
                    Ok(())
                })
                .unwrap();
        }
        for ((name, params, actor), (router, _, by)) in read.iter().zip(&rows) {
            assert_eq!((&**name, via(&actor.via)), (*router, by.clone()));
            assert_eq!(params.len(), usize::from(*router == "r"));
        }
        let [first, second, third] = &read[..] else { panic!("three rows") };
        assert!(Arc::ptr_eq(&first.0, &second.0) && !Arc::ptr_eq(&first.0, &third.0));
        assert!(Arc::ptr_eq(&first.1, &second.1) && !Arc::ptr_eq(&first.1, &third.1));
        assert!(Arc::ptr_eq(&first.2, &second.2) && !Arc::ptr_eq(&first.2, &third.2));
    }

    #[test]
    fn what_cannot_be_read_is_not_what_the_row_before_had() {
        let reader = Connection::open_in_memory().unwrap();
        let mut repeated = Repeated::default();
        let mut params = |sql: &str| reader.query_row(sql, [], |row| repeated.params(row, 0));
        assert!(params(r#"SELECT '{"a": 1}'"#).unwrap().is_some());
        assert!(params("SELECT '{'").unwrap().is_none());
        assert!(params("SELECT x'ff'").unwrap().is_none());
        assert!(params("SELECT NULL").is_err());
        let name = reader.query_row("SELECT CAST(x'ff' AS TEXT)", [], |row| repeated.name(row, 0));
        assert!(name.is_err());
    }
}
