//! What outlives the process: in `state_dir`, a log that every batch of records is appended to and synced before it
//! counts (`journal/`), and the history that follows it, one SQLite file (`journal.db`).
//!
//! One thread writes the log, another one takes it into the history when there is time, or when somebody asks.
//! Questions have a connection of their own and never hold either up.

mod entry;
mod index;
mod indexer;
mod keys;
mod lock;
mod log;
mod packed;
mod progress;
mod query;
mod read;
mod recover;
mod room;
mod schema;
mod seal;
mod segment;
mod store;
mod trim;
mod unindexed;

#[cfg(test)]
mod tests;

pub use lock::OpenError;
pub use query::{History, HistoryError, JobQuery, StoredJob};
pub use store::Store;
pub use trim::{Keep, Trimmed};
