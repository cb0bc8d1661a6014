//! `befor_deploy` and `after_deploy`, as commands.

use serde_json::{Map, Value, json};

use crate::original::OriginalValue;

/// What means something to a shell, or would be a part of a word there.
const SHELL_SIGNS: &[char] = &[
    '|', '&', ';', '<', '>', '(', ')', '$', '`', '"', '\'', '\\', '*', '?', '[', ']', '#', '~', '=', '%',
    '{', '}', '!', '\n',
];

/// The hooks of a node, by their names here.
pub(super) fn hooks(node: &OriginalValue<'_>) -> Map<String, Value> {
    [("befor_deploy", "before"), ("after_deploy", "after")]
        .into_iter()
        .filter_map(|(key, name)| Some((name.to_owned(), hook(node, key)?)))
        .collect()
}

fn hook(node: &OriginalValue<'_>, key: &str) -> Option<Value> {
    let text = node.text_at(key)?;
    let at = node.get(key)?;
    let mut words = text.split_whitespace();
    let first = words.next()?;
    if text.contains(SHELL_SIGNS) {
        let more = match text.matches("&&").count() {
            0 | 1 => "",
            _ => "; what follows the second `&&` was dropped",
        };
        at.omit(format!(
            "{key}: it has shell signs and runs as `sh -c`; the original knows only `cd X && Y`, and cuts everything else at \
             spaces{more}"
        ));
        return Some(json!({"cmd": "sh", "arg": ["-c", text.trim()]}));
    }
    let arguments: Vec<&str> = words.collect();
    Some(match arguments.is_empty() {
        true => json!({ "cmd": first }),
        false => json!({"cmd": first, "arg": arguments}),
    })
}
