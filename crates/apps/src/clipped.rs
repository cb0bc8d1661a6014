//! Bounds for what comes from outside and is kept: a repository's texts, what nodes say, what a webhook names.

use serde_json::{Map, Value};

/// The longest subject and error that are kept, in characters.
pub(crate) const SENTENCE: usize = 1000;
/// The longest name, and the longest path of a file.
pub(crate) const NAME: usize = 300;
/// The longest revision: a SHA-256.
const REVISION: usize = 64;

/// The beginning of a text; `…` says that more followed.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A revision or a digest as a node says it; nothing else is one.
pub(crate) fn exact(map: &Map<String, Value>, key: &str) -> Option<String> {
    let text = map.get(key).and_then(Value::as_str)?;
    let is_exact = (1..=REVISION).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_exact.then(|| text.to_owned())
}

/// The first so many texts of a list, each clipped.
pub(crate) fn list(map: &Map<String, Value>, key: &str, most: usize) -> Vec<String> {
    let list = map.get(key).and_then(Value::as_array).into_iter().flatten();
    list.take(most).filter_map(|entry| entry.as_str().map(|text| clipped(text, SENTENCE))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_too_long_is_cut_and_what_is_no_revision_is_dropped() {
        for (text, most, cut) in [("äöü", 3, "äöü"), ("äöü", 2, "äö…"), ("", 0, "")] {
            assert_eq!(clipped(text, most), cut);
        }
        let long = "a".repeat(65);
        let node =
            json!({"a": "1f", "b": "--upload-pack=x", "c": long, "d": 5, "e": "", "f": ["x", 1, "y", "z"]});
        let node = node.as_object().unwrap();
        let revisions: Vec<Option<String>> =
            ["a", "b", "c", "d", "e"].iter().map(|key| exact(node, key)).collect();
        assert_eq!(revisions, [Some("1f".to_owned()), None, None, None, None]);
        assert_eq!(list(node, "f", 3), ["x", "y"]);
    }
}
