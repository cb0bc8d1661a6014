//! The audit: who did what with the daemon, and what was refused. An act is recorded before it is done.
//!
//! It is kept apart from the history: in a table of its own on disk, or in memory without a `state_dir`.

pub(crate) mod file;
mod memory;
pub(crate) mod record;

pub use memory::MemoryAudit;
pub use record::{
    AuditEntry, AuditError, AuditLog, AuditPage, AuditQuery, AuditRecord, MOST_ENTRIES, MOST_KEPT,
    RequestedActs,
};

#[cfg(test)]
mod tests;
