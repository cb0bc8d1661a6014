//! The execution parameters of each node.

use serde_json::{Map, Value};

/// The execution parameters for one node: `params`, a JSON object without `node`, with the node's name.
pub(super) fn with_node(params: &str, node: &str) -> String {
    let entry = Value::Object(Map::from_iter([("node".to_owned(), Value::from(node))])).to_string();
    match params.strip_suffix('}') {
        Some("{") | None => entry,
        Some(open) => format!("{open},{}", entry.strip_prefix('{').unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_gets_its_name() {
        for (params, expected) in
            [("{}", r#"{"node":"n\"1"}"#), (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1},"node":"n\"1"}"#)]
        {
            assert_eq!(with_node(params, "n\"1"), expected);
        }
    }
}
