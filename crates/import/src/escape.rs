//! Escapes text for each language of a configuration of Herald: paths, CEL, templates.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// A path of a request, with the characters escaped that have a meaning in the option `path`.
pub(super) fn path(text: &str) -> String {
    const MEANS_SOMETHING: AsciiSet = CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'{').add(b'}');
    utf8_percent_encode(text, &MEANS_SOMETHING).to_string()
}

/// A string literal of CEL.
pub(super) fn cel_text(text: &str) -> String {
    // JSON's escapes are CEL's.
    serde_json::Value::from(text).to_string()
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
    }
}
