//! How much of the memory parameters take.

use serde_json::Value;

use crate::param::Params;

/// What these parameters take in memory, roughly.
pub(super) fn rough_size(params: &Params) -> usize {
    const NODE: usize = 80;
    let mut open: Vec<&Value> = Vec::new();
    let mut size = 0;
    for (key, value) in params {
        size += NODE + key.len();
        open.push(value);
    }
    while let Some(value) = open.pop() {
        size += NODE;
        match value {
            Value::String(text) => size += text.len(),
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                for (key, value) in map {
                    size += NODE + key.len();
                    open.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    size
}
