//! What a selector looks at in an event, as far as that is known without one.

use crate::Params;

/// A value of the `trigger_param` that a selector looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    /// The key of `select_param` that says so.
    pub param: &'static str,
    /// Where the value is, step by step.
    pub path: Vec<String>,
    /// The texts that it is compared with, each with the key of `select_param` that has it.
    pub compared: Vec<(&'static str, String)>,
}

/// What a selector with these `select_param` looks at.
pub type Looks = fn(&Params) -> Vec<LookedAt>;

/// The same, of a selector that looks at one key, with a value or without: `a/b/c`.
#[must_use]
pub fn one_key(select_param: &Params, key: &'static str, value: &'static str) -> Vec<LookedAt> {
    let text = |name: &str| select_param.get(name).and_then(serde_json::Value::as_str);
    let Some(path) = text(key) else { return Vec::new() };
    let compared = text(value).map(|text| (value, text.to_owned())).into_iter().collect();
    vec![LookedAt { param: key, path: path.split('/').map(str::to_owned).collect(), compared }]
}
