//! What of the same configuration an option names.

use std::collections::{BTreeMap, BTreeSet};

/// What an option names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedPart {
    /// The section that has it, which is also what it is called: `trigger`, say.
    pub section: &'static str,
    /// Whether a pattern with `*` and `?` is a name, too.
    pub takes_patterns: bool,
}

/// What there is in a configuration: the names of each section.
#[derive(Debug, Default)]
pub struct NamedParts<'a>(pub BTreeMap<&'static str, BTreeSet<&'a str>>);
