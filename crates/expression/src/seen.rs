//! What an expression read, for the reason that `explain` shows.

use herald_base::value::Params;
use herald_config::secret::{Mask, REQUEST};
use serde_json::Value;

use crate::compile::Compiled;

/// How many paths are shown.
const PATHS: usize = 6;

/// `: trigger_param.ref is "refs/heads/main", …`; nothing when it looks at nothing.
pub(crate) fn describe(compiled: &Compiled, trigger_param: &Params, select_param: &Params) -> String {
    let seen: Vec<String> = compiled
        .paths
        .iter()
        .filter(|path| path.len() > 1)
        .take(PATHS)
        .map(|path| {
            let params = if path[0] == "trigger_param" { trigger_param } else { select_param };
            let shown = match path[1].as_str() {
                // It may say in other places what the event holds under secret names.
                REQUEST => shown(&Mask::new().params(params), &path[1..]),
                _ => shown(params, &path[1..]),
            };
            format!("{} is {shown}", written(path))
        })
        .collect();
    if seen.is_empty() { String::new() } else { format!(": {}", seen.join(", ")) }
}

/// As the expression has it: a key that is not an identifier is in brackets.
fn written(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        let starts = step.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if step.parse::<usize>().is_ok() {
            text.push_str(&format!("[{step}]"));
        } else if starts && step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            text.push_str(if text.is_empty() { "" } else { "." });
            text.push_str(step);
        } else {
            text.push_str(&format!("['{step}']"));
        }
    }
    text
}

fn shown(params: &Params, path: &[String]) -> String {
    let found = path.split_first().and_then(|(first, rest)| {
        rest.iter().try_fold(params.get(first)?, |at, step| match at {
            Value::Object(map) => map.get(step),
            Value::Array(list) => list.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    });
    match found {
        None => "missing".to_owned(),
        Some(value) => herald_config::secret::shown(path.iter().map(String::as_str), value),
    }
}
