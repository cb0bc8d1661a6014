//! Compares every node with the record of the daemon, after a round.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::origin::{number_of, read_tree, tool};
use super::scene::{DeployScene, DeployedApp, KEEP, NODES, TreeMode};

/// A deployment, and what may come of it.
pub(super) struct Deployed {
    pub(super) app: DeployedApp,
    /// The node whose hook `after` fails.
    pub(super) failing: Option<&'static str>,
    /// Whether nothing on a node was killed.
    pub(super) spares_nodes: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Nodes or records that are wrong.
    pub(super) wrong: Vec<String>,
    /// Hooks that ran too often.
    pub(super) repeated: Vec<String>,
    /// What is allowed, and visible in the record.
    pub(super) marked: Vec<String>,
}

/// One line of the hooks' file: hook, action, node.
type HookRuns = BTreeMap<(String, String, String), usize>;

impl Deployed {
    /// Looks at everything.
    pub(super) fn judge(&self, scene: &DeployScene, record: &Value, view: &Value) -> Result<Findings> {
        let mut found = Findings::default();
        self.status(record, &mut found);
        for node in NODES {
            let (said, seen) = (&record["nodes"][node], &view["nodes"][node]);
            if let Err(wrong) = self.node(scene, node, said, seen, &view["revision"]) {
                found.wrong.push(format!("{node}: {wrong}"));
            }
            if ["unknown", "broken"].iter().any(|status| said["status"] == *status) {
                found.marked.push(format!("{node} {}", said["status"]));
            }
        }
        self.hooks(&hook_runs(scene, self.app)?, record, &mut found);
        Ok(found)
    }

    /// Whether the end of the deployment fits what happened.
    fn status(&self, record: &Value, found: &mut Findings) {
        let status = record["status"].as_str().unwrap_or_default();
        if self.spares_nodes {
            let expected = if self.failing.is_some() { "reverted" } else { "succeeded" };
            let why = &record["error"];
            // Nobody knows whether `once` ran that was about to be sent, and it is never sent again.
            let is_once = |why: &str| why.contains("never received the job");
            if status == "lost" && why.as_str().is_some_and(is_once) {
                found.marked.push("the daemon was killed while it sent `once`".to_owned());
            } else if status != expected {
                found
                    .wrong
                    .push(format!("it is {status} and not {expected}, though no node was touched: {why}"));
            }
        } else if !["succeeded", "reverted", "failed", "timed_out", "lost", "partial"].contains(&status) {
            found.wrong.push(format!("it is {status}: {}", record["error"]));
        } else if status == "succeeded" && self.failing.is_some() {
            found.wrong.push("it succeeded, though a hook fails".to_owned());
        }
    }

    fn node(
        &self,
        scene: &DeployScene,
        node: &str,
        said: &Value,
        seen: &Value,
        all: &Value,
    ) -> Result<(), String> {
        let app = self.app;
        let (path, side) =
            (scene.path(node, app), scene.folder.join(node).join(format!("{}.herald", app.name)));
        let served = if app.mode == TreeMode::Releases { path.join("current") } else { path.clone() };
        let tree = read_tree(&served).map_err(|error| format!("{}: {error}", served.display()))?;
        let number = number_of(&tree)?;
        let revision = all.as_str().unwrap_or_default();
        if scene.origins.number(revision) != Some(number) {
            return Err(format!("tree {number} is live, but that of the application is {all}"));
        }
        if seen["revision"] != revision {
            return Err(format!("tree {number} is live, but it is shown with {}", seen["revision"]));
        }
        if !said["to"].is_null() && said["to"] != revision {
            return Err(format!("tree {number} is live, but {said} is recorded"));
        }
        let is_broken = said["status"] == "broken";
        if seen["state"] != "in_sync" && !is_broken {
            return Err(format!("it is {}: {}", seen["state"], seen["error"]));
        }
        if app.mode == TreeMode::InPlace {
            copy_is_clean(&path, app.is_git, revision).map_err(|error| format!("{error:#}"))?;
        }
        self.leftovers(&path, &side).map_err(|error| format!("{error:#}"))?
    }

    /// Trees beyond those that are kept, and what is known of trees that are gone.
    fn leftovers(&self, path: &Path, side: &Path) -> Result<Result<(), String>> {
        let record: Value = serde_json::from_slice(&fs::read(side.join("record.json"))?)?;
        if !record["step"].is_null() {
            return Ok(Err(format!("a step is left: {}", record["step"])));
        }
        let kept: Vec<&str> = record["trees"]
            .as_array()
            .context("trees")?
            .iter()
            .filter_map(|tree| tree["name"].as_str())
            .collect();
        let live = record["live"].as_str().unwrap_or_default();
        let folder = match self.app.mode {
            TreeMode::Releases => path.join("releases"),
            _ => side.join("trees"),
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        let is_beside = self.app.mode == TreeMode::Exchange;
        let most = if is_beside { KEEP - 1 } else { KEEP };
        if let Some(name) = names.iter().find(|name| !kept.contains(&name.as_str())) {
            return Ok(Err(format!("the tree {name} is left; kept are {kept:?}")));
        }
        if names.len() > most {
            return Ok(Err(format!("{} trees are left: {names:?}", names.len())));
        }
        if let Some(name) =
            kept.iter().find(|name| !(names.iter().any(|it| it == *name) || is_beside && **name == live))
        {
            return Ok(Err(format!("the tree {name} is gone; there are {names:?}")));
        }
        for entry in fs::read_dir(side.join("manifests"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let tree = name.split('.').next().unwrap_or_default();
            if !kept.contains(&tree) {
                return Ok(Err(format!("manifests/{name} is left")));
            }
        }
        Ok(Ok(()))
    }

    /// No hook ran twice on a node that nobody killed, `once` and `after` on none; `once` ran on one node, and `after`
    /// wherever the deployment succeeded.
    fn hooks(&self, runs: &HookRuns, record: &Value, found: &mut Findings) {
        for ((hook, action, node), count) in runs.iter().filter(|(_, count)| **count > 1) {
            let what = format!("the hook {hook} ({action}) ran {count} times on {node}");
            // A node that was killed while it prepared begins again, where the daemon was killed, too.
            match hook.as_str() {
                "before" | "build" if !self.spares_nodes => found.marked.push(what),
                _ => found.repeated.push(what),
            }
        }
        let of = |hook: &str, action: &str, node: &str| {
            runs.get(&(hook.to_owned(), action.to_owned(), node.to_owned())).copied().unwrap_or(0)
        };
        let once: usize = NODES.iter().map(|node| of("once", "deploy", node)).sum();
        if once > 1 {
            found.repeated.push(format!("the hook once ran {once} times"));
        }
        for node in NODES {
            let status = record["nodes"][node]["status"].as_str().unwrap_or_default();
            if status == "succeeded" && of("after", "deploy", node) == 0 {
                found.wrong.push(format!("the hook after did not run on {node}"));
            }
            if status == "reverted" && self.spares_nodes && of("after", "revert", node) == 0 {
                found.wrong.push(format!("the hook after did not run on {node}, which was reverted"));
            }
        }
    }
}

/// The administration of a working copy says that it is this revision, without changes.
fn copy_is_clean(path: &Path, is_git: bool, revision: &str) -> Result<()> {
    let (found, changes) = if is_git {
        (tool(path, "git", &["rev-parse", "HEAD"])?, tool(path, "git", &["status", "--porcelain"])?)
    } else {
        (tool(path, "svnversion", &["-n"])?, tool(path, "svn", &["status", "-q"])?)
    };
    anyhow::ensure!(found == revision, "the working copy is {found} and not {revision}");
    anyhow::ensure!(changes.is_empty(), "the working copy has changes: {changes}");
    let lock = path.join(".git/index.lock");
    anyhow::ensure!(!lock.exists(), "{} is left", lock.display());
    Ok(())
}

/// What ran since the last round, which is then forgotten.
fn hook_runs(scene: &DeployScene, app: DeployedApp) -> Result<HookRuns> {
    let file = scene.folder.join("hooks");
    let text = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, "")?;
    let mut runs = HookRuns::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, hook, action, _, node] = words[..] else { anyhow::bail!("not a line of a hook: {line}") };
        anyhow::ensure!(name == app.name, "a hook of another application ran: {line}");
        *runs.entry((hook.to_owned(), action.to_owned(), node.to_owned())).or_default() += 1;
    }
    Ok(runs)
}
