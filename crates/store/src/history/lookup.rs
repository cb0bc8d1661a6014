//! Ids that a person writes: a part of one, or the latest.

use herald_core::activation::Name;

/// A part of an id has at least so many characters.
pub const SHORTEST_PART: usize = 4;
/// The most candidates that a lookup gives.
pub const MOST_CANDIDATES: u8 = 8;
/// How many of the newest jobs, and of the newest events, are compared with the end of an id.
pub(crate) const NEWEST: u32 = 200_000;
/// The length of a whole id: a UUID as text.
const WHOLE: usize = 36;

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// A job.
    Job,
    /// An event; a job means the event that created it.
    Event,
}

/// What to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdLookup {
    /// What the id is of.
    pub kind: IdKind,
    /// What is known of it.
    pub wanted: WantedId,
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedId {
    /// Its beginning, its end, or all of it.
    Part(IdPart),
    /// It is the newest one; for a router, that of its newest job.
    Latest {
        /// Only of this router.
        router: Option<String>,
    },
}

/// A part of an id: lower-case hexadecimal digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPart(String);

impl IdPart {
    /// `None`: no id has such a part, or it is too short.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_part = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let is_long = (SHORTEST_PART..=WHOLE).contains(&text.len());
        (is_part && is_long).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The part itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a whole id.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.len() == WHOLE
    }

    /// What follows all ids that begin with this part, and nothing before them: `g` follows every digit.
    pub(crate) fn upper_bound(&self) -> String {
        format!("{}g", self.0)
    }

    pub(crate) fn is_in(&self, id: &str) -> bool {
        id.starts_with(&self.0) || id.ends_with(&self.0)
    }
}

/// An id that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundId {
    /// The whole id.
    pub id: Name,
    /// For an event: the job whose id was given, which it created.
    pub job: Option<Name>,
}

/// What was found, each id once, the newest first.
pub(crate) fn newest_first(mut found: Vec<FoundId>) -> Vec<FoundId> {
    found.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.job.cmp(&b.job)));
    found.dedup_by(|second, first| second.id == first.id);
    found.truncate(usize::from(MOST_CANDIDATES));
    found
}
