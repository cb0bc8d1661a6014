//! What comes of an import.

/// A configuration, and what it does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration, for people to read and go on with.
    pub yaml: String,
    /// What could not be carried over, in the order of its lines.
    pub left_out: Vec<LeftOut>,
}

/// Something that could not be carried over, or not quite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands in the original, from 1.
    pub line: usize,
    /// What, and what to do about it.
    pub what: String,
}

/// The file is not what it should be: sentences with their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);
