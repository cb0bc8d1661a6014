//! The file of the other program, read with the line of every value in it.

use std::cell::RefCell;
use std::collections::BTreeSet;

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
        let mut document = Document::parse_texts(&text, name)
            .map_err(|problems| ImportError::Syntax { problems: problems.to_string() })?;
        let value = document.take_value();
        Ok(Self { document, value, omissions: RefCell::default() })
    }

    pub(super) fn top(&self) -> OriginalValue<'_> {
        OriginalValue { file: self, value: &self.value, path: Path::top() }
    }

    /// Notes what is not carried over from a line.
    pub(super) fn omit(&self, line: usize, what: impl Into<String>) {
        self.omissions.borrow_mut().push(Omission::warning(line, what));
    }

    /// What is not carried over, sorted by line, each once.
    pub(super) fn into_omissions(self) -> Vec<Omission> {
        let mut omissions = self.omissions.into_inner();
        omissions.sort_by_key(|left| left.line);
        let mut seen = BTreeSet::new();
        omissions.retain(|left| seen.insert((left.line, left.what.clone())));
        omissions
    }
}

/// Whether a plain scalar means another text where YAML 1.1 is read into a string, as the originals do it.
fn differs_in_yaml_1_1(plain: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "on", "n", "no", "off", ".inf", ".nan"];
    let word = plain.to_ascii_lowercase();
    if WORDS.contains(&word.as_str()) {
        return true;
    }
    if ["true", "false"].contains(&word.as_str()) {
        return plain != word;
    }
    let unsigned = plain.trim_start_matches(['+', '-']);
    let digits = unsigned.replace('_', "");
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let radix = ["0x", "0o", "0b"].iter().any(|prefix| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit()))
    });
    if radix {
        return true;
    }
    // An exponent makes a number there only with its sign, a point only with a digit behind it.
    let exponent = digits.find(['e', 'E']);
    let signed = exponent.is_none_or(|at| digits[at + 1..].starts_with(['+', '-']));
    digits.parse::<f64>().is_ok() && signed && !digits.ends_with('.') && !is_read_alike(plain)
}

/// Whether a number is written as it is read.
fn is_read_alike(plain: &str) -> bool {
    if plain.parse::<i64>().is_ok_and(|number| number.to_string() == plain) {
        return true;
    }
    plain.parse::<u64>().is_ok_and(|number| number.to_string() == plain)
        || plain.contains('.') && plain.parse::<f32>().is_ok_and(|number| number.to_string() == plain)
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

    /// Notes something here with which the original does not work either.
    pub(super) fn error(&self, what: impl Into<String>) {
        self.file.omissions.borrow_mut().push(Omission::error(self.line(), what));
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

    /// A string, number or boolean under a key, as text. Anything else is noted, and texts of which the original reads
    /// another one.
    pub(super) fn text_at(&self, key: &str) -> Option<String> {
        let item = self.get(key)?;
        let text = item.text();
        match &text {
            None => item.omit(format!("{key}: expected a string")),
            // The value may be secret.
            Some(_) if item.plain_text().is_some_and(differs_in_yaml_1_1) => item.omit(format!(
                "{key}: it is used as it is written; the original reads it as YAML 1.1 does, where it means another \
                 text (put it in quotes there to be sure)"
            )),
            Some(_) => {}
        }
        text
    }

    /// A string, number or boolean as the text that is written there; `None` for anything else.
    pub(super) fn text(&self) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => {
                Some(self.plain_text().map_or_else(|| self.value.to_string(), str::to_owned))
            }
            _ => None,
        }
    }

    fn plain_text(&self) -> Option<&'a str> {
        self.file.document.plain_text(&self.path)
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

    #[test]
    fn texts_that_look_like_something_else() {
        // As the program webhook 2.8 read them.
        for (plain, differs) in [
            ("4321e5678901", false),
            ("83e41002", false),
            ("1e3", false),
            ("12345678", false),
            ("2021-01-01", false),
            ("true", false),
            ("1.", false),
            ("1.5", false),
            ("x1", false),
            ("-7", false),
            ("0", false),
            ("v1.10", false),
            ("yes", true),
            ("NO", true),
            ("True", true),
            ("1.10", true),
            ("0755", true),
            ("0o17", true),
            ("007", true),
            ("1_000", true),
            ("0x1F", true),
            (".5", true),
            ("+1", true),
            ("1.0", true),
            ("-0", true),
            ("1e+3", true),
            ("1234567890123456789012", true),
            (".inf", true),
            ("0xffffffffffffffffffffffff", true),
            ("_1", false),
        ] {
            let file = OriginalFile::read(&format!("a: {plain}\n"), "f").unwrap();
            assert_eq!(file.top().text_at("a").as_deref(), Some(plain));
            assert_eq!(!file.into_omissions().is_empty(), differs, "{plain}");
            let file = OriginalFile::read(&format!("a: '{plain}'\n"), "f").unwrap();
            assert_eq!(file.top().text_at("a").as_deref(), Some(plain));
            assert_eq!(file.into_omissions(), []);
        }
        for nothing in ["~", "null", ""] {
            let file = OriginalFile::read(&format!("a: {nothing}\n"), "f").unwrap();
            assert_eq!(file.top().text_at("a"), None, "{nothing}");
        }
    }
}
