//! The apps, each as one application of Herald; as several where a machine has it more than once.

use serde_json::{Map, Value, json};

use super::fleet::Fleet;
use super::hooks::hooks;
use super::names::unique;
use crate::original::OriginalValue;

/// An application.
pub(super) struct ImportedApp {
    pub(super) name: String,
    /// Its options.
    pub(super) entry: Value,
}

/// What `updateByName` deploys under one name.
pub(super) struct NamedApps {
    /// The name in the request.
    pub(super) given: String,
    /// The applications.
    pub(super) names: Vec<String>,
}

/// All of them.
#[derive(Default)]
pub(super) struct ImportedApps {
    pub(super) all: Vec<ImportedApp>,
    pub(super) by_name: Vec<NamedApps>,
}

/// One machine on which an app is.
struct DeployedNode {
    name: String,
    path: String,
    hooks: Map<String, Value>,
}

/// What all parts of an app share.
struct DeployedSource {
    given: String,
    repo: String,
    kind: &'static str,
}

impl ImportedApps {
    pub(super) fn read(top: &OriginalValue<'_>, fleet: &mut Fleet) -> Self {
        let mut apps = Self::default();
        for item in top.list_at("apps") {
            item.only(&["name", "type", "url", "fetchlogpath", "node"]);
            apps.add(&item, fleet);
        }
        apps
    }

    fn add(&mut self, item: &OriginalValue<'_>, fleet: &mut Fleet) {
        if let Some(at) = item.get("fetchlogpath").filter(|at| at.value.as_str() != Some("")) {
            at.omit("fetchlogpath: needless, the log is read from the repository itself");
        }
        let Some(source) = source(item) else { return };
        // A machine that has the app twice has it in two applications.
        let mut parts: Vec<Vec<DeployedNode>> = Vec::new();
        for node in item.list_at("node") {
            node.only(&["alias", "addr", "path", "befor_deploy", "after_deploy"]);
            let Some(read) = app_node(&node, fleet) else { continue };
            let is_free = |part: &&mut Vec<DeployedNode>| part.iter().all(|other| other.name != read.name);
            match parts.iter_mut().find(is_free) {
                Some(part) => part.push(read),
                None => {
                    if !parts.is_empty() {
                        let name = &read.name;
                        node.omit(format!(
                            "the machine `{name}` has this app twice: this one is an app of its own"
                        ));
                    }
                    parts.push(vec![read]);
                }
            }
        }
        if parts.is_empty() {
            item.omit(format!("app `{}` has no node that can be used: it is left out", source.given));
            return;
        }
        self.add_parts(item, &source, &parts);
    }

    fn add_parts(&mut self, item: &OriginalValue<'_>, source: &DeployedSource, parts: &[Vec<DeployedNode>]) {
        let given = &source.given;
        let mut names = Vec::new();
        for part in parts {
            let name = unique(given, "app", |name| self.all.iter().any(|app| app.name == name));
            if name != *given && names.is_empty() {
                let at = item.get("name").unwrap_or_else(|| item.clone());
                at.omit(format!("name: `{given}` is defined twice or has signs that a name cannot have; the app is `{name}`"));
            }
            self.all.push(ImportedApp { name: name.clone(), entry: entry(source, part) });
            names.push(name);
        }
        if self.by_name.iter().all(|known| known.given != *given) {
            self.by_name.push(NamedApps { given: given.clone(), names });
        }
    }
}

fn source(item: &OriginalValue<'_>) -> Option<DeployedSource> {
    let given = item.text_at("name").unwrap_or_default();
    let Some(url) = item.text_at("url").map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()) else {
        item.omit(format!(
            "app `{given}` has no `url`: it is left out; add it under `app` with `repo`, the URL that the working copies have"
        ));
        return None;
    };
    let at = item.get("url")?;
    let kind = match item.text_at("type").as_deref() {
        Some("svn") => "svn",
        Some("git") => "git",
        other => {
            let kind = if url.starts_with("svn") { "svn" } else { "git" };
            let at = item.get("type").unwrap_or_else(|| item.clone());
            let other = other.unwrap_or_default();
            at.omit(format!("type: expected svn or git, found `{other}`; {kind} is used, as the URL looks"));
            kind
        }
    };
    if kind == "git" {
        at.omit(format!(
            "app `{given}`: HEAD is the default branch of the repository; the original pulls the branch that each node has \
             checked out. Where that is another one, name it under `revision`"
        ));
    }
    let repo = without_password(&url);
    if repo != url {
        at.omit("url: the password in it is left out; write `auth: {username: …, password: \"${file:…}\"}`");
    }
    Some(DeployedSource { given, repo, kind })
}

/// A URL without user and password, where it has both.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{scheme}://{host}{path}"),
        _ => url.to_owned(),
    }
}

fn app_node(node: &OriginalValue<'_>, fleet: &mut Fleet) -> Option<DeployedNode> {
    let path = node.text_at("path").unwrap_or_default();
    let at = node.get("path").unwrap_or_else(|| node.clone());
    let drive =
        path.as_bytes().get(..2).is_some_and(|start| start[0].is_ascii_alphabetic() && start[1] == b':');
    let parts = || path.split('/').filter(|part| !matches!(*part, "" | "."));
    if drive || path.starts_with('\\') {
        at.omit(format!(
            "path: `{path}` is one of Windows, where herald-runner does not run: the node is left out; the original's client \
             may stay there"
        ));
        return None;
    }
    if !path.starts_with('/')
        || parts().next().is_none()
        || parts().any(|part| part == "..")
        || path.contains('\0')
    {
        at.omit(format!("path: `{path}` is not an absolute path without `..`: the node is left out"));
        return None;
    }
    let hooks = hooks(node);
    Some(DeployedNode { name: fleet.name_of(node)?, path, hooks })
}

/// The options of an application on these nodes.
fn entry(source: &DeployedSource, nodes: &[DeployedNode]) -> Value {
    let first = &nodes[0];
    let same_hooks = nodes.iter().all(|node| node.hooks == first.hooks);
    let own = |node: &DeployedNode| {
        let mut own = Map::new();
        if node.path != first.path {
            own.insert("path".to_owned(), json!(node.path));
        }
        if !same_hooks && !node.hooks.is_empty() {
            own.insert("hooks".to_owned(), Value::Object(node.hooks.clone()));
        }
        (node.name.clone(), Value::Object(own))
    };
    let mut entry = json!({
        "repo": source.repo, "type": source.kind, "revision": "HEAD", "auth": "machine", "mode": "in_place",
        "path": first.path, "nodes": nodes.iter().map(own).collect::<Map<_, _>>(),
    });
    if same_hooks && !first.hooks.is_empty() {
        entry["hooks"] = Value::Object(first.hooks.clone());
    }
    entry["strategy"] = json!({"offline": "skip"});
    entry["on_failure"] = json!("continue");
    entry["local_changes"] = json!("keep");
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_in_urls() {
        for (url, without) in [
            ("svn://u:p@h/x", "svn://h/x"),
            ("https://u:p@h", "https://h"),
            ("svn+ssh://u@h/x", "svn+ssh://u@h/x"),
            ("https://h/a:b@c", "https://h/a:b@c"),
            ("git@h:x.git", "git@h:x.git"),
            ("https://u:p@q@h/x", "https://h/x"),
        ] {
            assert_eq!(without_password(url), without);
        }
    }
}
