//! What is wrong with something that a user wrote, and where.

use std::fmt;

pub use herald_base::near_miss::near_miss;
pub use herald_base::value::kind_of;

/// One step into a document: a key of a map or a place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// A key of a map.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// A path into a document, from its top.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// The top of the document.
    #[must_use]
    pub fn top() -> Self {
        Self::default()
    }

    /// This path, one key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Key(key.to_owned()));
        Self(steps)
    }

    /// This path, one list element further.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Index(index));
        Self(steps)
    }

    /// `self`, then `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Key(key) if n == 0 => write!(f, "{key}")?,
                PathStep::Key(key) => write!(f, ".{key}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Which part of a map entry a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryPart {
    /// The key: an unknown option, say.
    Key,
    /// The value: a wrong kind, say.
    Value,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// Said, and then things go on.
    Warning,
}

/// One problem in a document. The text never holds a secret value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// Key or value at that path.
    pub part: EntryPart,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// What to do about it: the near miss, the allowed values.
    pub help: Option<String>,
    /// The part of the value that it is about, as it is written there.
    pub excerpt: Option<String>,
    /// Whether the message holds nothing that a user wrote.
    pub plain: bool,
}

impl Problem {
    /// An error about the value at `path`.
    pub fn error(path: Path, message: impl Into<String>) -> Self {
        Self {
            path,
            part: EntryPart::Value,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            excerpt: None,
            plain: false,
        }
    }

    /// A warning about the value at `path`.
    pub fn warning(path: Path, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// The same problem, about the key instead of the value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.part = EntryPart::Key;
        self
    }

    /// The same problem, about this part of the value alone.
    #[must_use]
    pub fn within(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// The same problem, whose message holds nothing that a user wrote: what looks like a secret there is not one.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// The same problem, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}
