//! An application as it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::application::App;
use super::seen::NodeState;
use crate::book::{BookError, DeploymentStatus, Hold};

/// An application as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct AppView {
    /// Its name.
    pub name: String,
    /// `git` or `svn`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `in_place`, `releases` or `exchange`.
    pub mode: &'static str,
    /// The URL of the repository.
    pub repo: String,
    /// The revision that is to be live on all nodes.
    pub revision: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The revision that a rollback goes to.
    pub previous: Option<String>,
    /// The hold.
    pub hold: Option<Hold>,
    /// The freeze that it is in.
    pub freeze: Option<String>,
    /// The deployment that is under way.
    pub running: Option<String>,
    /// How the last deployment ended.
    pub last: Option<DeploymentStatus>,
    /// Its nodes.
    pub nodes: BTreeMap<String, AppNodeView>,
}

/// An application on one node, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct AppNodeView {
    /// Where it is.
    pub path: String,
    /// Whether the node answered when it was asked last.
    pub online: bool,
    /// What was seen to be live there; until then what the last deployment left.
    pub revision: Option<String>,
    /// How that goes with what is recorded.
    pub state: NodeState,
    /// Files that were changed there; at most 100.
    pub modified: Vec<String>,
    /// What it is to get when it is back.
    pub catch_up: Option<String>,
    /// Why it is broken or unknown.
    pub error: Option<String>,
    /// When it was asked last.
    pub checked_at: Option<Timestamp>,
}

impl App {
    /// How it is now.
    ///
    /// # Errors
    /// When that is not known.
    pub async fn view(&self) -> Result<AppView, BookError> {
        let (book, now, app) = (self.book().await?, self.clock.now(), &self.settings);
        let names: Vec<&str> = app.nodes.iter().map(|node| &*node.name).collect();
        let freeze = app.freeze.iter().find(|window| window.holds(now));
        let nodes = app.nodes.iter().map(|node| {
            let seen = self.seen(&node.name);
            let known = book.node(&node.name);
            let state = self.state_of(&book, &node.name, seen.as_ref());
            let view = AppNodeView {
                path: node.path.display().to_string(),
                online: seen.as_ref().is_some_and(|seen| seen.online),
                revision: seen.as_ref().and_then(|seen| seen.revision.clone()).or(known.revision),
                state,
                modified: seen.as_ref().map(|seen| seen.modified.clone()).unwrap_or_default(),
                catch_up: known.catch_up,
                error: known.broken.or_else(|| seen.as_ref().and_then(|seen| seen.error.clone())),
                checked_at: seen.map(|seen| seen.at),
            };
            (node.name.clone(), view)
        });
        Ok(AppView {
            name: app.name.clone(),
            kind: app.kind_name(),
            mode: app.mode_name(),
            repo: app.repo.clone(),
            revision: book.revision.clone(),
            since: book.since,
            previous: book.rollback_target(&names).map(str::to_owned),
            hold: book.hold(now).cloned(),
            freeze: freeze.map(|window| window.described.clone()),
            running: self.memory.running(),
            last: book.deployments.back().map(|record| record.status),
            nodes: nodes.collect(),
        })
    }
}
