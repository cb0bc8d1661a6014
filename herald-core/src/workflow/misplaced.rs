//! Keys of a router or of its policy that were written one level too deep, among parameters, where they have no effect.

use serde_json::Value;

use super::policy;
use crate::component::spec::Description;
use crate::template::For;
use crate::value::param::Params;
use herald_config::problem::{Path, Problem};

/// A warning for each. `whose`: whether they are the parameters of a selector or of a job.
pub(super) fn misplaced<'a>(
    description: Option<&'a Description>,
    params: &'a Params,
    whose: For,
) -> impl Iterator<Item = Problem> + 'a {
    let (own, type_name) = description.map_or((&[][..], ""), |it| (&it.params, &it.type_name));
    // Without parameters of its own it is a plugin's, which may take any.
    let (has_params, is_job) = (!own.is_empty(), whose == For::Job);
    let is_known = move |key: &str| own.iter().any(|param| param.name == key);
    params.iter().filter(move |(key, _)| !is_known(key)).filter_map(move |(key, value)| {
        let is_of_policy = is_job && has_params && policy::looks_like(key, value);
        let help = if is_of_policy {
            format!("it is a key of `policy`: write  policy: {{{key}: …}}  in the router or task")
        } else if is_of_router(key, value) {
            format!("it is a key of a router: write it beside `{}`, indented as that is", block(whose))
        } else {
            return None;
        };
        let what = match type_name {
            "" => format!("`{key}` has no effect here"),
            _ => format!("`{key}` is not a parameter of `{type_name}`, and has no effect here"),
        };
        Some(Problem::warning(Path::top().key(key), what).at_key().help(help))
    })
}

fn block(whose: For) -> &'static str {
    if whose == For::Job { "job_param" } else { "select_param" }
}

/// Names of blocks of a router, which no script has; `policy` and `task` only where what is in them gives them away.
fn is_of_router(key: &str, value: &Value) -> bool {
    let map = value.as_object();
    match key {
        "select_param" | "job_param" => map.is_some(),
        "policy" => map.is_some_and(|map| !map.is_empty() && map.keys().all(|key| policy::holds(key))),
        "task" => {
            let is_task = |task: &Value| task.get("executor").is_some_and(Value::is_string);
            map.is_some_and(|map| !map.is_empty() && map.values().all(is_task))
        }
        _ => false,
    }
}

/// The block of this router that has `task` in it, where the router itself has none.
pub(super) fn block_with_task(router: &Params) -> Option<&str> {
    let blocks = ["job_param", "select_param", "policy"].into_iter();
    blocks.into_iter().find(|block| router.get(*block).is_some_and(|block| block.get("task").is_some()))
}
