//! The file of the other program, read with the line of every value in it.

use std::cell::RefCell;

use herald_config::problem::{EntryPart, Path};
use herald_config::yaml::Document;
use serde_json::Value;

use super::imported::{ImportError, Omission};

/// A JSON or YAML file, and what could not be carried over from it.
pub(super) struct OriginalFile {
    document: Document,
    value: Value,
    omissions: RefCell<Vec<Omission>>,
}

impl OriginalFile {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the text, with places.
    pub(super) fn read(text: &str, name: &str) -> Result<Self, ImportError> {
        // YAML takes no tabs before the first word of a line; JSON, which is read by the same reader, does.
        let text: String = text.split_inclusive('\n').map(without_tabs).collect();
        let mut document = Document::parse(&text, name)
            .map_err(|problems| ImportError::Syntax { problems: problems.to_string() })?;
        let value = document.take_value();
        Ok(Self { document, value, omissions: RefCell::default() })
    }

    pub(super) fn top(&self) -> OriginalValue<'_> {
        OriginalValue { file: self, value: &self.value, path: Path::top() }
    }

    /// Notes what is not carried over from a line.
    pub(super) fn omit(&self, line: usize, what: impl Into<String>) {
        self.omissions.borrow_mut().push(Omission { line, what: what.into() });
    }

    /// What is not carried over, sorted by line.
    pub(super) fn into_omissions(self) -> Vec<Omission> {
        let mut omissions = self.omissions.into_inner();
        omissions.sort_by_key(|left| left.line);
        omissions
    }
}

fn without_tabs(line: &str) -> String {
    let rest = line.trim_start_matches([' ', '\t']);
    let indent = &line[..line.len() - rest.len()];
    format!("{}{rest}", indent.replace('\t', "    "))
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct OriginalValue<'a> {
    file: &'a OriginalFile,
    pub(super) value: &'a Value,
    path: Path,
}

impl<'a> OriginalValue<'a> {
    /// Notes something here that is not carried over.
    pub(super) fn omit(&self, what: impl Into<String>) {
        self.file.omit(self.line(), what);
    }

    pub(super) fn line(&self) -> usize {
        self.file.document.locate(&self.path, EntryPart::Key).line
    }

    /// The value of a key, which may be written in either case, as the originals read it. Null counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let map = self.value.as_object()?;
        let (name, value) = map.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        (!value.is_null()).then(|| Self { file: self.file, value, path: self.path.key(name) })
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Vec<Self> {
        let list = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        let item = |(n, value)| Self { file: self.file, value, path: self.path.index(n) };
        list.iter().enumerate().map(item).collect()
    }

    /// The items of the list under a key. Anything else is noted.
    pub(super) fn list_at(&self, key: &str) -> Vec<Self> {
        let Some(item) = self.get(key) else { return Vec::new() };
        if !item.value.is_array() {
            item.omit(format!("{key}: expected a list"));
        }
        item.list()
    }

    /// A string, number or boolean under a key, as text. Anything else is noted.
    pub(super) fn text_at(&self, key: &str) -> Option<String> {
        let item = self.get(key)?;
        match item.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(item.value.to_string()),
            _ => {
                item.omit(format!("{key}: expected a string"));
                None
            }
        }
    }

    /// The boolean under a key; false where there is none. Anything else is noted.
    pub(super) fn bool_at(&self, key: &str) -> bool {
        let Some(item) = self.get(key) else { return false };
        item.value.as_bool().unwrap_or_else(|| {
            item.omit(format!("{key}: expected a boolean"));
            false
        })
    }

    /// Notes all keys but these.
    pub(super) fn only(&self, known: &[&str]) {
        for key in self.value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !known.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                let at = Self { path: self.path.key(key), ..self.clone() };
                at.omit(format!("`{key}` is not a known key; the original ignores it as well"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_tabs_has_lines() {
        let file =
            OriginalFile::read("[\n\t{\n\t\t\"Id\": \"a\",\n\t\t\"x\": 1,\t\"y\": [true]\n\t}\n]\n", "h")
                .unwrap();
        let item = &file.top().list()[0];
        assert_eq!(item.text_at("id").as_deref(), Some("a"));
        assert_eq!(item.get("id").map(|item| item.line()), Some(3));
        item.only(&["id", "y"]);
        assert!(!item.bool_at("id"));
        assert_eq!(item.text_at("y"), None);
        let lines: Vec<usize> = file.into_omissions().iter().map(|left| left.line).collect();
        assert_eq!(lines, [3, 4, 4]);
    }
}
