//! Halves of surrogate pairs in JSON: `\ud83d` without its other half, as JavaScript writes a text that was cut.

use std::borrow::Cow;

use serde_json::Value;

/// How long an escape such as `\ud83d` is.
const ESCAPE: usize = 6;

/// JSON in which each lone surrogate is U+FFFD, as Go and browsers read it. Places stay where they are.
pub(crate) fn mended(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let bytes = json.as_bytes();
    let (mut at, mut lone) = (0, Vec::new());
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += found;
        at += match (unit(bytes, at), unit(bytes, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                lone.push(at);
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            (None, _) => 2,
        };
    }
    if lone.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut mended = json.to_owned();
    lone.into_iter().for_each(|at| mended.replace_range(at..at + ESCAPE, "\\ufffd"));
    Cow::Owned(mended)
}

/// The code unit of an escape at this place.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A JSON text, if it is one.
pub(crate) fn read(json: &[u8]) -> Option<Value> {
    serde_json::from_str(&mended(std::str::from_utf8(json).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        for (json, read_as) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\uD83Dz""#, "\u{fffd}z"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""é\ud83d""#, "é\u{fffd}"),
        ] {
            assert_eq!(read(json.as_bytes()), Some(json!(read_as)), "{json}");
        }
        for broken in [r#""\ud83""#, r#""\ud8"#, "\\ud83d", r#""\udéfé""#] {
            assert_eq!(read(broken.as_bytes()), None, "{broken}");
            assert_eq!(mended(broken).len(), broken.len());
        }
    }
}
