//! Escapes text for each language of a configuration of Herald: paths, CEL, templates, references to secrets.

use herald_base::secret_name::is_secret_name;
use herald_config::secret;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

/// A path of a request, with the characters escaped that have a meaning in the option `path`.
pub(super) fn path(text: &str) -> String {
    const MEANS_SOMETHING: AsciiSet = CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'{').add(b'}');
    utf8_percent_encode(text, &MEANS_SOMETHING).to_string()
}

/// A string literal of CEL.
pub(super) fn cel_text(text: &str) -> String {
    // JSON's escapes are CEL's. An expression holds nothing that looks like a template.
    serde_json::Value::from(text).to_string().replace("{{", r"{\u007b")
}

/// A name for components of this name in the original. Names cannot be escaped: one that holds a reference to a secret
/// becomes another one.
pub(super) fn name(text: &str) -> String {
    if secret::escaped(text) == text { text.to_owned() } else { text.replace('$', "_") }
}

/// A value, so that no text in it is a reference to a secret.
pub(super) fn without_references(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(secret::escaped(text)),
        Value::Array(list) => list.iter().map(without_references).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), without_references(value))).collect()
        }
        other => other.clone(),
    }
}

/// The template for a parameter of this name: an empty text under a secret name would be taken for a secret that was
/// forgotten.
pub(super) fn parameter(name: &str, template: String) -> String {
    if template.is_empty() && is_secret_name(name) { "{{ '' }}".to_owned() } else { template }
}

/// A string literal of templates.
pub(super) fn template_text(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A template that gives exactly this text.
pub(super) fn literal(text: &str) -> String {
    // Without this one nothing is a template; with it, the others would be part of one.
    if !text.contains("{{") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|mark| rest.find(mark)).min() {
        out.push_str(&rest[..at]);
        out.push_str(&format!("{{{{ '{}' }}}}", &rest[at..at + 2]));
        rest = &rest[at + 2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_templates() {
        for (given, made) in [
            ("plain {%", "plain {%"),
            ("a {{ b }}", "a {{ '{{' }} b }}"),
            ("{{{%", "{{ '{{' }}{{ '{%' }}"),
            ("{{#", "{{ '{{' }}#"),
        ] {
            assert_eq!(literal(given), made);
        }
        assert_eq!(template_text("a'b\\c\nd"), r"'a\'b\\c\nd'");
        assert_eq!(cel_text("a\"b\\d"), r#""a\"b\\d""#);
        assert_eq!(cel_text("{{{{{ }}"), r#""{\u007b{\u007b{ }}""#);
    }

    #[test]
    fn texts_that_are_no_references() {
        let value = serde_json::json!({"${env:A}": ["${env:A}", 5, {"a": "x${file:b}"}]});
        let written = serde_json::json!({"${env:A}": ["$${env:A}", 5, {"a": "x$${file:b}"}]});
        assert_eq!(without_references(&value), written);
        assert_eq!((name("a$b"), name("${env:A}")), ("a$b".to_owned(), "_{env:A}".to_owned()));
        let given = [("token", ""), ("token", "x"), ("a", "")].map(|(n, t)| parameter(n, t.to_owned()));
        assert_eq!(given, ["{{ '' }}", "x", ""]);
    }
}
