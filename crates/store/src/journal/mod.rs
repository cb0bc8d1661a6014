//! The journal: a log in the folder `journal/` of the `state_dir`, to which every batch of records is appended and
//! synced before it counts.

mod appended;
pub(crate) mod disk_space;
pub(crate) mod entry;
pub(crate) mod log;
pub(crate) mod log_end;
pub(crate) mod packed;
pub(crate) mod seal;
pub(crate) mod segment;
mod status_word;
pub(crate) mod stored_actor;

use herald_core::journal::JournalError;

/// How many entries a batch of the journal holds: the content of one frame of a segment.
///
/// # Errors
/// When it is damaged.
pub fn count_entries(batch: &[u8]) -> Result<usize, JournalError> {
    let mut entries = Vec::new();
    entry::decode(batch, &mut entries).map_err(|error| JournalError(format!("a batch: {error}")))?;
    Ok(entries.len())
}
