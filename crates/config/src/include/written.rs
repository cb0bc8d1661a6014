//! What a configuration says, entry by entry, each with its place and without its secrets.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use herald_base::secret_name::{MASKED, is_secret_name};
use herald_base::side_by_side::side_by_side;
use serde_json::Value;

use crate::problem::{Path, PathStep};
use crate::secret::Mask;

/// So many entries of a section are many.
const MANY: usize = 1000;

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
    entries: Vec<UnmaskedEntry>,
    pub(super) digest: u64,
}

/// An entry with its secrets. It is text from the beginning, as most entries have none and stay as they are.
struct UnmaskedEntry {
    section: String,
    /// `None` for a section that does not name things.
    name: Option<String>,
    json: Box<str>,
    /// Whether a name in it, or its own, says that something is secret.
    has_secret_name: bool,
}

/// Where something is written.
pub(super) struct WrittenPlace {
    /// The place of its file.
    pub(super) file: usize,
    /// Its line there, from 1.
    pub(super) line: usize,
}

impl WrittenValue {
    /// What these files say together. Its digest differs where the files are others, or the value is another one.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n String>, value: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        for name in names {
            // However they were named: by a path from the current directory, say.
            std::path::absolute(name).unwrap_or_else(|_| name.into()).hash(&mut hasher);
        }
        let mut entries = Vec::new();
        for (section, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(named) if named.values().all(Value::is_object) && !named.is_empty() => {
                    let of_name = |(name, value)| UnmaskedEntry::new(section, Some(name), value);
                    // Of many, half on another thread.
                    let half = if named.len() < MANY { 0 } else { named.len() / 2 };
                    let first = || named.iter().take(half).map(of_name).collect::<Vec<_>>();
                    let rest = || named.iter().skip(half).map(of_name).collect::<Vec<_>>();
                    let (first, rest) = if half > 0 {
                        side_by_side("herald-written", first, rest)
                    } else {
                        (first(), rest())
                    };
                    entries.extend(first.into_iter().chain(rest));
                }
                value => entries.push(UnmaskedEntry::new(section, None, value)),
            }
        }
        for UnmaskedEntry { section, name, json, .. } in &entries {
            (section, name, json).hash(&mut hasher);
        }
        Self { entries, digest: hasher.finish() }
    }

    /// The entries, without what is at these places and what the mask hides.
    pub(super) fn entries<'p>(
        self,
        secrets: impl Iterator<Item = &'p Path>,
        mask: &Mask,
        place: impl Fn(&Path) -> WrittenPlace,
    ) -> Vec<WrittenEntry> {
        let secrets: Vec<Vec<&PathStep>> = secrets.map(Path::steps).collect();
        let mut places: HashMap<(&str, Option<&str>), Vec<&[&PathStep]>> = HashMap::new();
        for steps in &secrets {
            let Some((PathStep::Key(section), inside)) = steps.split_first() else { continue };
            places.entry((section, None)).or_default().push(inside);
            if let Some((PathStep::Key(name), inside)) = inside.split_first() {
                places.entry((section, Some(name))).or_default().push(inside);
            }
        }
        let shown = |entry: UnmaskedEntry| {
            let (section, name) = (entry.section.as_str(), entry.name.as_deref());
            let at = Path::top().key(section);
            let WrittenPlace { file, line } = place(&name.map_or_else(|| at.clone(), |name| at.key(name)));
            let hidden = places.get(&(section, name)).map_or(&[][..], Vec::as_slice);
            let (path, json) = entry.without_secrets(hidden, mask).unwrap_or_else(|| entry.into_written());
            WrittenEntry { path, file, line, json }
        };
        self.entries.into_iter().map(shown).collect()
    }
}

impl UnmaskedEntry {
    fn new(section: &str, name: Option<&String>, value: &Value) -> Self {
        let names = std::iter::once(section).chain(name.map(String::as_str));
        let has_secret_name = names.into_iter().any(is_secret_name) || !hides_nothing(value);
        Self {
            section: section.to_owned(),
            name: name.cloned(),
            // Unlike `to_string`, this writes without a formatter. Values of JSON never fail.
            json: serde_json::to_string(value).unwrap_or_default().into(),
            has_secret_name,
        }
    }

    /// Its path and its value; `hidden` are places in that. `None` where nothing changes.
    fn without_secrets(&self, hidden: &[&[&PathStep]], mask: &Mask) -> Option<(Vec<String>, Box<str>)> {
        let names: Vec<&str> = std::iter::once(&*self.section).chain(self.name.as_deref()).collect();
        let has_secret = |text: &&str| mask.may_hide_in(text);
        if hidden.is_empty() && !self.has_secret_name && !names.iter().chain([&&*self.json]).any(has_secret) {
            return None;
        }
        // It is text that was made of a value above.
        let mut value = serde_json::from_str(&self.json).unwrap_or_else(|_| Value::from(MASKED));
        hidden.iter().for_each(|steps| hide(&mut value, steps));
        let whole = names
            .iter()
            .rev()
            .fold(value, |value, name| Value::Object(std::iter::once(((*name).to_owned(), value)).collect()));
        let mut value = mask.value(&whole);
        for _ in &names {
            value = match value {
                Value::Object(one) => one.into_iter().next().map_or(Value::Null, |(_, value)| value),
                masked => masked,
            };
        }
        Some((names.into_iter().map(|name| mask.text(name)).collect(), value.to_string().into()))
    }

    fn into_written(self) -> (Vec<String>, Box<str>) {
        (std::iter::once(self.section).chain(self.name).collect(), self.json)
    }
}

/// Whether no name in it says that something is secret.
fn hides_nothing(value: &Value) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) if !Mask::new().hides_nothing_in(map) => return false,
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    true
}

fn hide(value: &mut Value, path: &[&PathStep]) {
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
