//! What changes on disk, step by step, and back.

pub(crate) mod backup;
pub(crate) mod carry;
pub(crate) mod exchange;
pub(crate) mod files;
pub(crate) mod undo;
