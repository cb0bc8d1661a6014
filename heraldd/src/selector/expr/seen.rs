//! What an expression read, for the reason that `explain` shows.

use herald_core::param::{Params, lookup};
use herald_core::secret::{Mask, REQUEST};

use super::compile::Compiled;

/// How many paths are shown.
const PATHS: usize = 6;

/// `: trigger_param.ref is "refs/heads/main", …`; nothing when it looks at nothing.
pub(super) fn describe(compiled: &Compiled, trigger_param: &Params, select_param: &Params) -> String {
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
            format!("{} is {shown}", path.join("."))
        })
        .collect();
    if seen.is_empty() { String::new() } else { format!(": {}", seen.join(", ")) }
}

fn shown(params: &Params, path: &[String]) -> String {
    // A path of steps with slashes in them is not one that `lookup` can follow; it is shown as missing.
    match lookup(params, &path.join("/")) {
        None => "missing".to_owned(),
        Some(value) => super::super::shown(path.iter().map(String::as_str), value),
    }
}
