//! The file `scm_config.ini`, in both of its dialects: that of the program, whose comments are lines of their own, and
//! that of its documentation, with ` # …` behind values as well. The program itself does not read the second one.

use std::collections::BTreeMap;

use crate::imported::ImportError;

/// Values in which the program accepts nothing behind them: a ` # …` there is a comment, and shows which dialect it is.
const WITHOUT_SPACES: [&str; 7] = [
    "local/prefix",
    "local/force",
    "etcd/endpoints",
    "etcd/timeout",
    "heartbeat/domain",
    "heartbeat/interval",
    "logs/level",
];

/// A value, and its line from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IniValue {
    pub(super) line: usize,
    pub(super) text: String,
    /// Whether the text holds something that would be a comment in the other dialect.
    pub(super) is_doubtful: bool,
}

/// The values by `section/key`, in small letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IniFile {
    pub(super) values: BTreeMap<String, IniValue>,
    /// Whether comments may be behind values.
    pub(super) has_comments_behind: bool,
}

/// A line that says something.
struct RawValue<'a> {
    name: String,
    line: usize,
    text: &'a str,
}

impl IniFile {
    /// Reads it.
    ///
    /// # Errors
    /// The first line that is neither a section, nor a value, nor a comment.
    pub(super) fn read(text: &str, file_name: &str) -> Result<Self, ImportError> {
        let mut has_comments_behind = false;
        let mut section = String::new();
        let mut raw = Vec::new();
        for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let (number, line) = (n + 1, line.trim());
            let wrong =
                |what: &str| ImportError::Syntax { problems: format!("{file_name}:{number}: {what}\n") };
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let (name, behind) =
                    rest.split_once(']').ok_or_else(|| wrong("the closing `]` is missing"))?;
                match behind.trim() {
                    "" => {}
                    behind if behind.starts_with(['#', ';']) => has_comments_behind = true,
                    _ => return Err(wrong("expected nothing but a comment behind the section")),
                }
                section = name.trim().to_ascii_lowercase();
                continue;
            }
            let (key, text) = line.split_once(['=', ':']).ok_or_else(|| wrong("expected `key = value`"))?;
            let name = format!("{section}/{}", unquoted(key.trim()).to_ascii_lowercase());
            raw.push(RawValue { name, line: number, text: text.trim() });
        }
        let shows_dialect = |value: &RawValue<'_>| {
            WITHOUT_SPACES.contains(&value.name.as_str()) && comment(value.text).is_some()
        };
        has_comments_behind = has_comments_behind || raw.iter().any(shows_dialect);
        let values = raw.into_iter().map(|value| (value.name.clone(), read(&value, has_comments_behind)));
        Ok(Self { values: values.collect(), has_comments_behind })
    }
}

/// The text in backticks or in three double quotes; any other as it is.
fn quoted(text: &str) -> Option<&str> {
    ["\"\"\"", "`"].into_iter().find_map(|quote| {
        let rest = text.strip_prefix(quote)?;
        Some(&rest[..rest.rfind(quote)?])
    })
}

fn unquoted(text: &str) -> &str {
    quoted(text).or_else(|| text.strip_prefix('"')?.strip_suffix('"')).unwrap_or(text)
}

/// Where a comment would begin: at a `#` or `;` at the beginning or behind a blank.
fn comment(text: &str) -> Option<usize> {
    if quoted(text).is_some() {
        return None;
    }
    let mut before = ' ';
    text.char_indices().find_map(|(at, c)| {
        let begins = matches!(c, '#' | ';') && before.is_whitespace();
        before = c;
        begins.then_some(at)
    })
}

fn read(value: &RawValue<'_>, has_comments_behind: bool) -> IniValue {
    let comment = comment(value.text);
    let text = match (quoted(value.text), comment) {
        (Some(inside), _) => inside,
        (None, Some(at)) if has_comments_behind => value.text[..at].trim_end(),
        _ => value.text,
    };
    IniValue { line: value.line, text: text.to_owned(), is_doubtful: comment.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> IniFile {
        IniFile::read(text, "f.ini").unwrap()
    }

    fn values(text: &str) -> Vec<(String, String)> {
        read(text).values.into_iter().map(|(name, value)| (name, value.text)).collect()
    }

    #[test]
    fn both_dialects() {
        let own = "\u{feff}; one\n# two\n[local]\nprefix = /w\nForce: true\n[etcd]\r\npassword = a #b\nkey = `x # y` z\n\
                   \"a b\" = \"\"\" c \"\"\"\nempty =\n";
        let expected = [
            ("etcd/a b", " c "),
            ("etcd/empty", ""),
            ("etcd/key", "x # y"),
            ("etcd/password", "a #b"),
            ("local/force", "true"),
            ("local/prefix", "/w"),
        ];
        assert_eq!(values(own), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(!read(own).has_comments_behind);
        let file = read(own);
        assert!(file.values["etcd/password"].is_doubtful && !file.values["etcd/key"].is_doubtful);
        assert_eq!(file.values["etcd/password"].line, 7);

        for commented in [
            "[local]  # about\npassword = a #b\nx = # nothing\n",
            "[local]\nforce = true # c\npassword = a #b\nx = ;\n",
        ] {
            let file = read(commented);
            assert!(file.has_comments_behind, "{commented}");
            assert_eq!((&*file.values["local/password"].text, &*file.values["local/x"].text), ("a", ""));
        }
        // Without a blank in front it is a part of the value.
        assert_eq!(values("[logs] # x\nname = a#b\n"), [("logs/name".to_owned(), "a#b".to_owned())]);
    }

    #[test]
    fn the_last_one_counts() {
        assert_eq!(values("[a]\nb = 1\n[c]\n[A]\nb = 2\n"), [("a/b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_is_something_else_has_its_line() {
        for (text, says) in [
            ("[local\n", "f.ini:1: the closing `]` is missing\n"),
            ("\n[local] x\n", "f.ini:2: expected nothing but a comment behind the section\n"),
            ("[a]\nplain words\n", "f.ini:2: expected `key = value`\n"),
        ] {
            assert_eq!(IniFile::read(text, "f.ini").unwrap_err().to_string(), says);
        }
    }
}
