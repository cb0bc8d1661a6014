//! What an import gives: a configuration, and notes on what differs from the original.

use herald_config::problem::Severity;

/// A configuration, and what it does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration, for people to read and edit.
    pub yaml: String,
    /// What could not be carried over, sorted by line.
    pub omissions: Vec<Omission>,
}

/// Something that could not be carried over, or not exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omission {
    /// The line in the original, from 1.
    pub line: usize,
    /// What, and what to do about it.
    pub what: String,
    /// An error where the original answers every request with one, so that a hook rejects requests.
    pub severity: Severity,
}

impl Omission {
    /// Something that differs, or is left out.
    pub fn warning(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into(), severity: Severity::Warning }
    }

    /// Something that is an error in the original already.
    pub fn error(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into(), severity: Severity::Error }
    }
}

/// Why a file cannot be imported: sentences with their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not text.
    #[error("{file}:{line}: not UTF-8")]
    NotUtf8 {
        /// The name of the file.
        file: String,
        /// The first line that is not, from 1.
        line: usize,
    },
    /// It is neither JSON nor YAML.
    #[error("{problems}")]
    Syntax {
        /// Every problem, with its place.
        problems: String,
    },
    /// It is neither JSON nor YAML, and holds templates that the original replaces before it reads the file.
    #[error("{problems}\nline {line} holds {{{{: {help}\n")]
    Template {
        /// Every problem, with its place.
        problems: String,
        /// The first line with a template, from 1.
        line: usize,
        /// What to do about it.
        help: &'static str,
    },
    /// It can be read, and is something else.
    #[error("{file}:1: expected {expected}")]
    OtherFormat {
        /// The name of the file.
        file: String,
        /// What the original would accept.
        expected: &'static str,
    },
}
