//! The original, read with the line of everything in it.

use std::cell::RefCell;

use herald_config::problem::{Part, Path};
use herald_config::yaml::Document;
use serde_json::Value;

use super::imported::{LeftOut, Unreadable};

/// A JSON or YAML file, and what could not be carried over from it.
pub(super) struct File {
    document: Document,
    value: Value,
    left_out: RefCell<Vec<LeftOut>>,
}

impl File {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the text, with places.
    pub(super) fn read(text: &str, name: &str) -> Result<Self, Unreadable> {
        // YAML takes no tabs before the first word of a line; JSON, which is read by the same reader, does.
        let text: String = text.split_inclusive('\n').map(without_tabs).collect();
        let mut document =
            Document::parse(&text, name).map_err(|problems| Unreadable(problems.to_string()))?;
        let value = document.take_value();
        Ok(Self { document, value, left_out: RefCell::default() })
    }

    pub(super) fn top(&self) -> Item<'_> {
        Item { file: self, value: &self.value, path: Path::top() }
    }

    /// Names something at a line.
    pub(super) fn leave_out(&self, line: usize, what: impl Into<String>) {
        self.left_out.borrow_mut().push(LeftOut { line, what: what.into() });
    }

    /// What was left out, in the order of its lines.
    pub(super) fn into_left_out(self) -> Vec<LeftOut> {
        let mut left_out = self.left_out.into_inner();
        left_out.sort_by_key(|left| left.line);
        left_out
    }
}

fn without_tabs(line: &str) -> String {
    let rest = line.trim_start_matches([' ', '\t']);
    let indent = &line[..line.len() - rest.len()];
    format!("{}{rest}", indent.replace('\t', "    "))
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Item<'a> {
    file: &'a File,
    pub(super) value: &'a Value,
    path: Path,
}

impl<'a> Item<'a> {
    /// Names something here that is not carried over.
    pub(super) fn leave_out(&self, what: impl Into<String>) {
        self.file.leave_out(self.line(), what);
    }

    pub(super) fn line(&self) -> usize {
        self.file.document.locate(&self.path, Part::Key).line
    }

    /// What stands under a key, in any case, as the originals read it; null is as good as nothing.
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

    /// The items of the list under a key. Anything else there is named.
    pub(super) fn list_at(&self, key: &str) -> Vec<Self> {
        let Some(item) = self.get(key) else { return Vec::new() };
        if !item.value.is_array() {
            item.leave_out(format!("{key}: expected a list"));
        }
        item.list()
    }

    /// A text, number or boolean under a key, as text. Anything else there is named.
    pub(super) fn text_at(&self, key: &str) -> Option<String> {
        let item = self.get(key)?;
        match item.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(item.value.to_string()),
            _ => {
                item.leave_out(format!("{key}: expected a text"));
                None
            }
        }
    }

    /// Whether true stands under a key. What is neither true nor false is named.
    pub(super) fn flag_at(&self, key: &str) -> bool {
        let Some(item) = self.get(key) else { return false };
        item.value.as_bool().unwrap_or_else(|| {
            item.leave_out(format!("{key}: expected true or false"));
            false
        })
    }

    /// Names the keys that nobody knows.
    pub(super) fn only(&self, known: &[&str]) {
        for key in self.value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !known.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                let at = Self { path: self.path.key(key), ..self.clone() };
                at.leave_out(format!("`{key}` is not known, and the original does not look at it either"));
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
            File::read("[\n\t{\n\t\t\"Id\": \"a\",\n\t\t\"x\": 1,\t\"y\": [true]\n\t}\n]\n", "h").unwrap();
        let item = &file.top().list()[0];
        assert_eq!(item.text_at("id").as_deref(), Some("a"));
        assert_eq!(item.get("id").map(|item| item.line()), Some(3));
        item.only(&["id", "y"]);
        assert!(!item.flag_at("id"));
        assert_eq!(item.text_at("y"), None);
        let lines: Vec<usize> = file.into_left_out().iter().map(|left| left.line).collect();
        assert_eq!(lines, [3, 4, 4]);
    }
}
