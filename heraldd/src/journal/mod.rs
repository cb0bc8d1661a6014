//! What outlives the process: the journal, and the history that grows from it.

mod query;

pub use query::{Again, History, HistoryError, JobQuery};
