//! What an expression saw, for `explain`.

use herald_core::param::{Params, lookup};
use herald_core::secret::{MASKED, Mask, REQUEST, is_secret_name};
use serde_json::Value;

use super::compile::Compiled;

/// How many paths are told, and how many characters of each value.
const PATHS: usize = 6;
const LONGEST: usize = 60;

/// `: trigger_param.ref is "refs/heads/main", …`; nothing when it looks at nothing.
pub(super) fn told(compiled: &Compiled, trigger_param: &Params, select_param: &Params) -> String {
    let seen: Vec<String> = compiled
        .paths
        .iter()
        .filter(|path| path.len() > 1)
        .take(PATHS)
        .map(|path| {
            let params = if path[0] == "trigger_param" { trigger_param } else { select_param };
            let told = match path[1].as_str() {
                // It may say in other places what the event holds under secret names.
                REQUEST => shown(&Mask::new().params(params), &path[1..]),
                _ => shown(params, &path[1..]),
            };
            format!("{} is {told}", path.join("."))
        })
        .collect();
    if seen.is_empty() { String::new() } else { format!(": {}", seen.join(", ")) }
}

fn shown(params: &Params, path: &[String]) -> String {
    // A path of steps with slashes in them is not one that `lookup` can follow; it is told as missing.
    match lookup(params, &path.join("/")) {
        None => "not there".to_owned(),
        Some(_) if path.iter().any(|step| is_secret_name(step)) => MASKED.to_owned(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => cut(&Mask::new().value(value).to_string()),
        Some(value) => cut(&value.to_string()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
