//! Names of published files: where in the folder a file goes, and which names are rejected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the names of temporary files begin with; no published name does.
pub(crate) const OWN_PREFIX: &str = ".herald-";
/// The longest part of a name in bytes, as file systems have it.
const LONGEST_PART: usize = 255;
/// The longest name in bytes; the system allows 4,096 for a whole path.
const LONGEST_NAME: usize = 3_000;

/// The name of a file below the published folder: parts that are separated by `/`, none of which leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafeName(String);

/// Why a name is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// Bytes that are not text.
    #[error("is not valid UTF-8")]
    NotText,
    /// `a//b`, `/a`, `a/`.
    #[error("has an empty part")]
    EmptyPart,
    /// `.` or `..`.
    #[error("leads out of its folder")]
    Dots,
    /// NUL, line breaks and the like.
    #[error("contains a control character")]
    Control,
    /// More than the file system takes.
    #[error("is too long")]
    TooLong,
    /// The names of Herald's temporary files.
    #[error("begins with `.herald-`, which is reserved for temporary files")]
    Reserved,
}

impl SafeName {
    /// The name that these bytes are.
    ///
    /// # Errors
    /// [`NameProblem`], as the end of a sentence that begins with the name.
    pub fn read(bytes: &[u8]) -> Result<Self, NameProblem> {
        let text = std::str::from_utf8(bytes).map_err(|_| NameProblem::NotText)?;
        if text.len() > LONGEST_NAME {
            return Err(NameProblem::TooLong);
        }
        for part in text.split('/') {
            let problem = match part {
                "" => Some(NameProblem::EmptyPart),
                "." | ".." => Some(NameProblem::Dots),
                _ if part.chars().any(char::is_control) => Some(NameProblem::Control),
                _ if part.len() > LONGEST_PART => Some(NameProblem::TooLong),
                _ if part.starts_with(OWN_PREFIX) => Some(NameProblem::Reserved),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder below the published one; empty for a file that is directly in it.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The folders above the file, the nearest last: `a/b/c` has `a` and `a/b`.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl TryFrom<String> for SafeName {
    type Error = NameProblem;

    fn try_from(text: String) -> Result<Self, NameProblem> {
        Self::read(text.as_bytes())
    }
}

impl From<SafeName> for String {
    fn from(name: SafeName) -> Self {
        name.0
    }
}

impl std::fmt::Display for SafeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of the folders in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nested {
    /// They become folders on disk.
    #[default]
    Keep,
    /// Only the last part counts.
    Flatten,
}

impl Nested {
    /// The name on disk of a name as it was given.
    ///
    /// # Errors
    /// [`NameProblem`]; folders that do not count must be valid too.
    pub fn apply(self, given: &[u8]) -> Result<SafeName, NameProblem> {
        let name = SafeName::read(given)?;
        Ok(match self {
            Self::Keep => name,
            Self::Flatten => SafeName(name.file_name().to_owned()),
        })
    }
}

/// Two keys that claim the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameClash {
    pub(crate) first: String,
    pub(crate) second: String,
    pub(crate) why: &'static str,
}

/// The first clash among names with their keys: the same name, or a file that another one needs as a folder.
pub(crate) fn clash(names: &[(SafeName, String)]) -> Option<NameClash> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, key) in names {
        if let Some(first) = seen.insert(name.as_str(), key) {
            let why = "are the same file";
            return Some(NameClash { first: first.to_owned(), second: key.clone(), why });
        }
    }
    names.iter().find_map(|(name, key)| {
        let file = name.folders().find_map(|folder| seen.get(folder))?;
        let why = "are a file and a folder of the same name";
        Some(NameClash { first: (*file).to_owned(), second: key.clone(), why })
    })
}

/// Two names that differ in case alone, in the same folder.
pub(crate) fn same_but_for_case<'a>(names: &'a [(SafeName, String)]) -> Option<NameClash> {
    let mut seen: BTreeMap<String, &'a str> = BTreeMap::new();
    names.iter().find_map(|(name, key)| {
        let first = seen.insert(name.as_str().to_lowercase(), key)?;
        let why = "are the same file, since this file system ignores case";
        Some(NameClash { first: first.to_owned(), second: key.clone(), why })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_rejected() {
        let long = "x".repeat(256);
        let fits = "x".repeat(255);
        let deep = "a/".repeat(2_000) + "b";
        for (given, expected) in [
            (&b"ngx.conf"[..], None),
            (b"sub/ngx.conf", None),
            (b".hidden", None),
            (b"a b", None),
            ("ümlaut".as_bytes(), None),
            (fits.as_bytes(), None),
            (b"..a/b..", None),
            (b"", Some(NameProblem::EmptyPart)),
            (b"/etc/passwd", Some(NameProblem::EmptyPart)),
            (b"a//b", Some(NameProblem::EmptyPart)),
            (b"a/", Some(NameProblem::EmptyPart)),
            (b".", Some(NameProblem::Dots)),
            (b"..", Some(NameProblem::Dots)),
            (b"../../x", Some(NameProblem::Dots)),
            (b"a/../b", Some(NameProblem::Dots)),
            (b"a\nb", Some(NameProblem::Control)),
            (b"a\0b", Some(NameProblem::Control)),
            (b"a\x7fb", Some(NameProblem::Control)),
            (b"\xff", Some(NameProblem::NotText)),
            (long.as_bytes(), Some(NameProblem::TooLong)),
            (deep.as_bytes(), Some(NameProblem::TooLong)),
            (b".herald-x", Some(NameProblem::Reserved)),
            (b"a/.herald-x/b", Some(NameProblem::Reserved)),
        ] {
            assert_eq!(SafeName::read(given).err(), expected, "{:?}", String::from_utf8_lossy(given));
        }
    }

    #[test]
    fn names_have_parts() {
        let name = SafeName::read(b"a/b/c").unwrap();
        assert_eq!((name.folder(), name.file_name()), ("a/b", "c"));
        assert_eq!(name.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(Nested::Flatten.apply(b"a/b/c").unwrap().as_str(), "c");
        assert!(Nested::Flatten.apply(b"../c").is_err());
        assert!(serde_json::from_str::<SafeName>("\"../x\"").is_err(), "also what a file says");
    }

    #[test]
    fn clashes_are_found() {
        for (names, expected) in [
            (&["a", "b", "sub/a"][..], None),
            (&["a", "b", "a"], Some((0, 2))),
            (&["a/b", "a"], Some((1, 0))),
            (&["a", "x", "a/b/c"], Some((0, 2))),
            (&["a/b", "ab"], None),
        ] {
            let pairs: Vec<(SafeName, String)> = names
                .iter()
                .enumerate()
                .map(|(n, name)| (SafeName::read(name.as_bytes()).unwrap(), n.to_string()))
                .collect();
            let found = clash(&pairs).map(|found| (found.first, found.second));
            assert_eq!(found, expected.map(|(a, b)| (a.to_string(), b.to_string())), "{names:?}");
        }
        let pairs = ["A", "a"].map(|name| (SafeName::read(name.as_bytes()).unwrap(), name.to_owned()));
        assert!(clash(&pairs).is_none() && same_but_for_case(&pairs).is_some());
    }
}
