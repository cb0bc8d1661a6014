//! Checks the file of the history in the background, once the start is over.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};

use crate::damage::Damage;
use crate::history::schema;
use crate::lock::OpenError;
use crate::whole_state::check::{TABLES, check_rows};

/// So much of it is named.
const MOST: u32 = 10;
/// How often a check that is to end is interrupted: it may just be about to begin.
const AGAIN: Duration = Duration::from_millis(2);

/// The check of a file, once it has begun.
#[derive(Default)]
pub(crate) struct QuickCheck(Mutex<Option<RunningCheck>>);

impl QuickCheck {
    /// Begins it.
    pub(crate) fn begin(&self, path: PathBuf, damage: Damage) -> Result<(), OpenError> {
        self.put(Some(RunningCheck::begin(path, damage)?));
        Ok(())
    }

    /// Ends it, and waits for that.
    pub(crate) fn end(&self) {
        self.put(None);
    }

    fn put(&self, check: Option<RunningCheck>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), check);
        drop(before);
    }
}

/// A check that runs, and ends when this is dropped.
struct RunningCheck {
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl RunningCheck {
    fn begin(path: PathBuf, damage: Damage) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let name = shown.clone();
        let unusable = |error: &dyn std::fmt::Display| OpenError(format!("the journal {shown}: {error}"));
        let connection = schema::connect(&path, false).map_err(|error| unusable(&error))?;
        let interrupt = connection.get_interrupt_handle();
        let check = move || {
            let read = || -> rusqlite::Result<Vec<String>> {
                let mut statement = connection.prepare(&format!("PRAGMA quick_check({MOST})"))?;
                statement.query_map([], |row| row.get(0))?.collect()
            };
            match read() {
                Ok(lines) => lines
                    .iter()
                    .filter(|line| *line != "ok")
                    .for_each(|line| damage.found(format!("{name}: {}", line.trim().replace('\n', "; ")))),
                Err(error) if damage.is_behind(&error, &name) => {}
                Err(error) => return tracing::debug!("{name} was not checked to its end: {error}"),
            }
            check_values(&connection, &damage, &name);
        };
        let thread = std::thread::Builder::new().name("history-check".to_owned()).spawn(check);
        Ok(Self { interrupt, thread: Some(thread.map_err(|error| unusable(&error))?) })
    }
}

/// The structure of the file says nothing of the values in it.
fn check_values(connection: &Connection, damage: &Damage, name: &str) {
    for table in TABLES {
        let read = check_rows(connection, table, &mut |row| damage.found(format!("{name}: {row}")));
        match read.error {
            Some(error) if damage.is_behind(&error, &format!("{name}: {}", table.name)) => {}
            Some(error) => {
                return tracing::debug!("{name}: {} was not checked to its end: {error}", table.name);
            }
            None => {}
        }
    }
}

impl Drop for RunningCheck {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() {
            self.interrupt.interrupt();
            std::thread::sleep(AGAIN);
        }
        let _ = thread.join();
    }
}
