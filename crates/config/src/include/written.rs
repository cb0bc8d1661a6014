//! What a configuration says, entry by entry, each with its place and without its secrets.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use herald_base::secret_name::MASKED;
use serde_json::{Map, Value};

use crate::problem::{Path, PathStep};
use crate::secret::Mask;

/// A section, or an entry of a section that names things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenEntry {
    /// Its section, and its name where it has one.
    pub path: Vec<String>,
    /// The place of its file in [`WrittenConfiguration::files`].
    pub file: usize,
    /// Its line there, from 1.
    pub line: usize,
    /// Its value as JSON, secrets hidden.
    pub json: Box<str>,
}

/// What a configuration says. It holds no secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenConfiguration {
    /// The main file, then those that it includes.
    pub files: Vec<String>,
    /// In the order of the sections.
    pub entries: Vec<WrittenEntry>,
    /// Differs where anything is written differently, but for comments and layout.
    pub digest: u64,
}

/// Everything as it is written, secrets included, until it is known which they are.
pub struct WrittenValue {
    pub(super) value: Value,
    pub(super) digest: u64,
}

/// Where something is written.
pub(super) struct WrittenPlace {
    /// The place of its file.
    pub(super) file: usize,
    /// Its line there, from 1.
    pub(super) line: usize,
}

/// Differs where the files are others, or the value is another one.
pub(super) fn digest<'n>(names: impl Iterator<Item = &'n String>, value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in names {
        // However they were named: by a path from the current directory, say.
        std::path::absolute(name).unwrap_or_else(|_| name.into()).hash(&mut hasher);
    }
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

impl WrittenValue {
    /// The entries, without what is at these places and what the mask hides.
    pub(super) fn entries<'p>(
        self,
        secrets: impl Iterator<Item = &'p Path>,
        mask: &Mask,
        place: impl Fn(&Path) -> WrittenPlace,
    ) -> Vec<WrittenEntry> {
        let mut value = self.value;
        for path in secrets {
            hide(&mut value, &path.0);
        }
        let top = match value {
            Value::Object(top) => mask.params(&top),
            _ => Map::new(),
        };
        let entry = |at: &Path, path: Vec<String>, value: &Value| {
            let WrittenPlace { file, line } = place(at);
            WrittenEntry { path, file, line, json: value.to_string().into() }
        };
        let mut entries = Vec::new();
        for (section, value) in &top {
            let at = Path::top().key(section);
            match value {
                Value::Object(named) if named.values().all(Value::is_object) && !named.is_empty() => {
                    let of_name = |(name, value): (&String, &Value)| {
                        entry(&at.key(name), vec![section.clone(), name.clone()], value)
                    };
                    entries.extend(named.iter().map(of_name));
                }
                value => entries.push(entry(&at, vec![section.clone()], value)),
            }
        }
        entries
    }
}

fn hide(value: &mut Value, path: &[PathStep]) {
    let Some((step, rest)) = path.split_first() else {
        if !value.is_null() {
            *value = Value::from(MASKED);
        }
        return;
    };
    let inner = match step {
        PathStep::Key(key) => value.get_mut(key),
        PathStep::Index(index) => value.get_mut(index),
    };
    if let Some(inner) = inner {
        hide(inner, rest);
    }
}
