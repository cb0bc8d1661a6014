//! What outlives the process: one SQLite file in `state_dir` that is the journal and the history at once.
//!
//! One thread writes (`store`): each batch of records is one transaction, synced before it counts. Questions have a
//! connection of their own and never hold it up.

mod lock;
mod ops;
mod query;
mod read;
mod recover;
mod schema;
mod seal;
mod store;
mod trim;
mod write;

#[cfg(test)]
mod tests;

pub use lock::OpenError;
pub use query::{History, HistoryError, JobQuery, StoredJob};
pub use store::Store;
pub use trim::{Keep, Trimmed};
