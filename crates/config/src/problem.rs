//! What is wrong with something that a user wrote, and where.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

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

/// A path into a document, from its top. Paths share what they begin with: one key further costs the same at any depth,
/// as paths are made for every value of a configuration, and few are ever shown.
#[derive(Clone, Default)]
pub struct Path(Option<Arc<LastStep>>);

struct LastStep {
    before: Path,
    step: PathStep,
}

impl Path {
    /// The top of the document.
    #[must_use]
    pub fn top() -> Self {
        Self::default()
    }

    /// This path, one key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(PathStep::Key(key.to_owned()))
    }

    /// This path, one list element further.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(PathStep::Index(index))
    }

    fn then(&self, step: PathStep) -> Self {
        Self(Some(Arc::new(LastStep { before: self.clone(), step })))
    }

    /// `self`, then `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        rest.steps().into_iter().fold(self.clone(), |path, step| path.then(step.clone()))
    }

    /// All steps, from the top.
    #[must_use]
    pub fn steps(&self) -> Vec<&PathStep> {
        let mut steps: Vec<&PathStep> = self.up().collect();
        steps.reverse();
        steps
    }

    /// The first step; none at the top.
    #[must_use]
    pub fn first(&self) -> Option<&PathStep> {
        self.up().last()
    }

    /// The last step; none at the top.
    #[must_use]
    pub fn last(&self) -> Option<&PathStep> {
        self.up().next()
    }

    /// Whether it leads to `start`, or to something within it.
    #[must_use]
    pub fn starts_with(&self, start: &Self) -> bool {
        self.steps().starts_with(&start.steps())
    }

    /// The steps, the last one first.
    fn up(&self) -> impl Iterator<Item = &PathStep> {
        std::iter::successors(self.0.as_deref(), |last| last.before.0.as_deref()).map(|last| &last.step)
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.up().eq(other.up())
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.steps().hash(state);
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps().into_iter().enumerate() {
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
    /// Only this machine can tell: said where that was asked for, and something is missing here.
    ProbeError,
    /// The same, where things go on.
    ProbeWarning,
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

    /// What makes the value at `path` useless on this machine.
    pub fn probe_error(path: Path, message: impl Into<String>) -> Self {
        Self { severity: Severity::ProbeError, ..Self::error(path, message) }
    }

    /// What is doubtful about the value at `path` on this machine.
    pub fn probe_warning(path: Path, message: impl Into<String>) -> Self {
        Self { severity: Severity::ProbeWarning, ..Self::error(path, message) }
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
