//! The findings of the rules.

use std::fmt;

/// One violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the repository.
    pub file: String,
    /// From 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

/// A finding of a rule that counts.
pub struct Counted {
    /// What it counts for: a group of crates, a file or a name, as `limits.toml` says it.
    pub key: String,
    /// Where it is, and what to do.
    pub finding: Finding,
}

impl Finding {
    /// A finding at this line.
    pub fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}
