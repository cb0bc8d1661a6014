//! The options `nodes` and `tags`: on which nodes an application is.

use herald_base::near_miss::near_miss;
use herald_config::component_error::ComponentError;
use herald_remote::{ConfiguredNode, Nodes};
use serde_json::{Map, Value};

use super::checks::is_plain;

/// A node as an application names it.
pub(super) struct NamedNode<'a> {
    pub(super) node: &'a ConfiguredNode,
    /// Its own path.
    pub(super) path: Option<&'a str>,
    /// Its own hooks, as they are written.
    pub(super) hooks: Option<&'a Map<String, Value>>,
}

/// What a node may have of its own.
const OWN: [&str; 2] = ["path", "hooks"];

/// The nodes that these options name, in their order.
pub(super) fn named<'a>(
    nodes: Option<&'a Value>,
    tags: Option<&'a Value>,
    all: &'a Nodes,
) -> Result<Vec<NamedNode<'a>>, ComponentError> {
    let found = match (nodes, tags) {
        (Some(_), Some(_)) => {
            return Err(ComponentError::of_option("tags", "give `nodes` or `tags`, not both"));
        }
        (None, None) => {
            return Err(ComponentError::new("name the nodes: the option `nodes` or `tags` is missing"));
        }
        (Some(nodes), None) => listed(nodes, all)?,
        (None, Some(tags)) => tagged(tags, all)?,
    };
    if found.is_empty() {
        let option = if nodes.is_some() { "nodes" } else { "tags" };
        return Err(ComponentError::of_option(option, "names no node"));
    }
    for (n, one) in found.iter().enumerate() {
        for other in &found[..n] {
            if other.node.name == one.node.name {
                let what = format!("the node {} is named twice", one.node.name);
                return Err(ComponentError::of_option("nodes", what));
            }
            if other.node.runner.url == one.node.runner.url {
                let (other, one, url) = (&other.node.name, &one.node.name, &one.node.runner.url);
                let what = format!("{other} and {one} are the same runner, {url}");
                return Err(ComponentError::of_option("nodes", what));
            }
        }
    }
    Ok(found)
}

fn listed<'a>(nodes: &'a Value, all: &'a Nodes) -> Result<Vec<NamedNode<'a>>, ComponentError> {
    let expected =
        || ComponentError::of_option("nodes", "expected a list of names, or a map {NAME: {path, hooks}}");
    match nodes {
        Value::String(name) => Ok(vec![one(name, None, all)?]),
        Value::Object(map) => map.iter().map(|(name, own)| one(name, Some(own), all)).collect(),
        Value::Array(list) => {
            let mut found = Vec::new();
            for entry in list {
                match entry {
                    Value::String(name) => found.push(one(name, None, all)?),
                    Value::Object(map) => {
                        for (name, own) in map {
                            found.push(one(name, Some(own), all)?);
                        }
                    }
                    _ => return Err(expected()),
                }
            }
            Ok(found)
        }
        _ => Err(expected()),
    }
}

fn one<'a>(name: &str, own: Option<&'a Value>, all: &'a Nodes) -> Result<NamedNode<'a>, ComponentError> {
    let wrong = |what: String| Err(ComponentError::of_option("nodes", what));
    let Some(node) = all.get(name) else {
        let help = match near_miss(name, all.0.iter().map(|node| &*node.name)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "add it under `node`".to_owned(),
        };
        return wrong(format!("there is no node \"{name}\"; {help}"));
    };
    let own = match own.filter(|own| !own.is_null()) {
        None => return Ok(NamedNode { node, path: None, hooks: None }),
        Some(Value::Object(own)) => own,
        Some(_) => return wrong(format!("{name}: expected a map {{path, hooks}}")),
    };
    if let Some(key) = own.keys().find(|key| !OWN.contains(&key.as_str())) {
        return wrong(format!("{name}: unknown key `{key}`; a node may have `path` and `hooks` of its own"));
    }
    let path = own.get("path").and_then(Value::as_str);
    if own.get("path").is_some() && !path.is_some_and(is_plain) {
        return wrong(format!("{name}: path: expected an absolute path without `..`, `.git` and `.svn`"));
    }
    let hooks = own.get("hooks").filter(|hooks| !hooks.is_null());
    let hooks = match hooks {
        None => None,
        Some(Value::Object(hooks)) => Some(hooks),
        Some(_) => return wrong(format!("{name}: hooks: expected a map {{before, build, once, after}}")),
    };
    Ok(NamedNode { node, path, hooks })
}

fn tagged<'a>(tags: &Value, all: &'a Nodes) -> Result<Vec<NamedNode<'a>>, ComponentError> {
    let tags: Vec<&str> = match tags {
        Value::String(tag) => vec![tag],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(unknown) = tags.iter().find(|tag| all.tagged(tag).next().is_none()) {
        let what = format!("no node bears the tag \"{unknown}\"; see `tags` under `node`");
        return Err(ComponentError::of_option("tags", what));
    }
    let wanted = all.0.iter().filter(|node| node.tags.iter().any(|tag| tags.contains(&&**tag)));
    Ok(wanted.map(|node| NamedNode { node, path: None, hooks: None }).collect())
}
