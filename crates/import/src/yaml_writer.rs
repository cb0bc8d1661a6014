//! Writes a configuration in YAML, laid out as a person would.

use serde_json::{Map, Value};

use super::escape::without_references;

/// Lists and maps up to this length are written on one line.
const LONGEST_FLOW: usize = 90;
/// Words that YAML readers, old ones too, read as something else than a string.
const WORDS: [&str; 14] =
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", "<<", "=", ".inf", ".nan"];

/// The text, as it grows.
#[derive(Default)]
pub(super) struct YamlWriter {
    text: String,
}

impl YamlWriter {
    /// A line of comment, or several; before a top-level section, an empty line.
    pub(super) fn comment(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            // What would end the comment, be refused by a YAML reader, or be seen as something else by a terminal.
            let line: String =
                line.chars().filter(|c| !c.is_control() && !is_odd(*c) && !turns_text(*c)).collect();
            self.text.push_str(format!("{:indent$}# {line}", "").trim_end());
            self.text.push('\n');
        }
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// `name:`, for what follows.
    pub(super) fn section(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.blank();
        }
        self.text.push_str(&format!("{name}:\n"));
    }

    /// A key and its value. A text in it that looks like a reference to a secret stays a text.
    pub(super) fn entry(&mut self, indent: usize, key: &str, value: &Value) {
        self.entry_with_references(indent, key, &without_references(value));
    }

    /// A key and its value, in which `${env:NAME}` is a reference to a secret.
    pub(super) fn entry_with_references(&mut self, indent: usize, key: &str, value: &Value) {
        self.text.push_str(&format!("{:indent$}{}:", "", scalar_text(key)));
        self.value(indent, value);
    }

    fn value(&mut self, indent: usize, value: &Value) {
        match value {
            Value::Object(map) if !map.is_empty() && !fits(value) => {
                self.text.push('\n');
                map.iter().for_each(|(key, value)| self.entry_with_references(indent + 2, key, value));
            }
            Value::Array(list) if !list.is_empty() && !fits(value) => {
                self.text.push('\n');
                for item in list {
                    self.text.push_str(&format!("{:1$}-", "", indent + 2));
                    self.value(indent + 2, item);
                }
            }
            Value::String(text) if is_block(text) => self.block(indent + 2, text),
            other => self.text.push_str(&format!(" {}\n", flow(other))),
        }
    }

    /// A text of several lines, each as it is.
    fn block(&mut self, indent: usize, text: &str) {
        self.text.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
        for line in text.lines() {
            let line = if line.is_empty() { String::new() } else { format!("{:indent$}{line}", "") };
            self.text.push_str(&format!("{line}\n"));
        }
    }

    /// The text. Where there is nothing but comments, an empty section makes it a valid configuration.
    pub(super) fn finish(mut self) -> String {
        if self.text.lines().all(|line| line.starts_with('#')) {
            self.text.push_str("\nrouter: {}\n");
        }
        self.text
    }
}

/// Whether all of it can be written as lines of their own.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with(['\n', ' '])
        && !text.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || is_odd(c))
}

/// Shows what follows it from right to left: a comment would be seen as something else than it is.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Line ends of Unicode, marks that readers drop, and the like.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether it is read best on one line.
fn fits(value: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => !text.contains('\n'),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => true,
    };
    let all = match value {
        Value::Array(list) => list.iter().all(plain),
        Value::Object(map) => map.len() < 3 && map.values().all(plain),
        _ => true,
    };
    all && flow(value).len() <= LONGEST_FLOW
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        Value::Array(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => flow_map(map),
        other => other.to_string(),
    }
}

fn flow_map(map: &Map<String, Value>) -> String {
    let entries = map.iter().map(|(key, value)| format!("{}: {}", scalar_text(key), flow(value)));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

/// A text as a scalar that stays a text, plain where that is safe in every place.
fn scalar_text(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.chars().any(|c| c.is_control() || is_odd(c)) || is_quoted_within(text) {
        double_quoted(text)
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Single quotes alone: doubled, they are hard to read.
fn is_quoted_within(text: &str) -> bool {
    text.contains('\'') && !text.contains(['"', '\\'])
}

fn is_plain(text: &str) -> bool {
    let letters = text.strip_prefix("--").or(text.strip_prefix('-')).unwrap_or(text);
    letters.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '_' | '$'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " /_-.+@$=()".contains(c) || c == ':')
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_odd(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_config::yaml::Document;
    use serde_json::json;

    /// What is hard to write.
    const TEXTS: &[&str] = &[
        "",
        "plain",
        "yes",
        "No",
        "5",
        "1.5",
        "-x",
        "a: b",
        "a:",
        "a#b",
        "a # b",
        "it's",
        "say \"hi\"",
        "{x}",
        "two\nlines",
        "two\nlines\n",
        "end\n\n",
        "\nfirst",
        " x\ny",
        "a\tb",
        "a\u{1}b\n",
        "\u{feff}x",
        "*",
        "&a",
        "!t",
        "%d",
        "@x",
        "`x`",
        "${env:X}",
        "?",
        "- a",
        "null",
        "~",
        "[a]",
        "a, b",
        "\u{85}",
        "x \n y \n",
        "a\rb",
        "é",
        "=",
    ];

    #[test]
    fn what_is_written_is_read_again() {
        let long = "x".repeat(100);
        let value = json!({
            "map": {"k e y": TEXTS, "5": {}, "n": [1, 2.5, true, null, [], {"a": [{"b": "c\nd"}]}], "long": [long, long]},
        });
        let mut writer = YamlWriter::default();
        writer.section("top");
        writer.comment(2, "one\ntwo \u{1b}[31m");
        for (key, value) in value.as_object().unwrap() {
            writer.entry_with_references(2, key, value);
        }
        for text in TEXTS {
            let value = json!({*text: text, "a": text, "b": [text]});
            writer.entry_with_references(2, &format!("k{text}"), &value);
        }
        writer.entry(2, "no reference", &json!("${env:X}"));
        let text = writer.finish();
        assert!(text.ends_with("  no reference: '$${env:X}'\n"), "{text}");
        let read = Document::parse(&text, "out").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(read.value()["top"]["map"], value["map"], "{text}");
        for given in TEXTS {
            let key = format!("k{given}");
            assert_eq!(read.value()["top"][&key]["a"], json!(given), "{text}");
            assert_eq!(read.value()["top"][&key]["b"], json!([given]), "{text}");
        }
    }

    #[test]
    fn every_character_can_be_written() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        for some in all.chunks(512) {
            let text: String = some.iter().collect();
            let block: String = some.iter().flat_map(|c| [*c, '\n', 'x']).collect();
            let mut writer = YamlWriter::default();
            writer.section("top");
            writer.comment(2, &text);
            writer.entry_with_references(2, "a", &json!([text, block]));
            writer.entry_with_references(2, &format!("k{text}"), &json!(1));
            let yaml = writer.finish();
            let first = u32::from(some[0]);
            let read =
                Document::parse(&yaml, "out").unwrap_or_else(|problems| panic!("{first:x}: {problems}"));
            assert_eq!(read.value()["top"]["a"], json!([text, block]), "{first:x}");
            assert_eq!(read.value()["top"][&format!("k{text}")], json!(1), "{first:x}");
        }
    }

    #[test]
    fn as_a_person_would() {
        let mut writer = YamlWriter::default();
        writer.section("trigger");
        let value = json!({
            "type": "http", "path": "/hooks/a", "methods": ["GET", "POST"], "answer": {"matched": {"status": 201}},
            "expr": "a\n&& b == \"c\"", "none": {}, "arg": ["-c", "echo 'x'\necho y"],
        });
        writer.entry(2, "a", &value);
        assert_eq!(
            writer.finish(),
            "trigger:\n  a:\n    type: http\n    path: /hooks/a\n    methods: [GET, POST]\n    answer:\n      matched: {status: \
             201}\n    expr: |-\n      a\n      && b == \"c\"\n    none: {}\n    arg:\n      - -c\n      - |-\n        \
             echo 'x'\n        echo y\n"
        );
    }
}
