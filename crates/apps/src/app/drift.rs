//! What is live on each node, as it is seen now and then, and how that goes with what is recorded.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_remote::RunnerFailureKind;
use serde_json::{Map, Value};

use super::application::App;
use super::parts::AppParts;
use super::seen::{AppStateChange, NodeState, SeenNode};
use crate::book::{AppBook, BookError, DeploymentRecord, NodeDeployment, NodeOutcome};
use crate::clipped::{SENTENCE, clipped, exact, list};
use crate::node::{NodeStepFailure, NodeStepOutcome, StepCall, StepName};

/// How many nodes are asked at once.
const AT_ONCE: usize = 8;
/// How long a node may take to say what is live, which repairs what a crash left; and how much longer its answer may
/// take.
const LONGEST_STATUS: Duration = Duration::from_secs(120);
const MARGIN: Duration = Duration::from_secs(15);
/// How many changed files are kept of a node.
const MOST_FILES: usize = 100;

impl App {
    pub(crate) fn seen(&self, node: &str) -> Option<SeenNode> {
        self.memory.seen.read().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    pub(crate) fn state_of(&self, book: &AppBook, node: &str, seen: Option<&SeenNode>) -> NodeState {
        let known = book.node(node);
        match seen {
            _ if known.broken.is_some() => NodeState::Broken,
            _ if known.unfinished.is_some() => NodeState::Unknown,
            None => NodeState::Unknown,
            Some(seen) if !seen.online || seen.error.is_some() => NodeState::Unknown,
            Some(seen) if seen.revision != book.revision => NodeState::Outdated,
            Some(seen) if !seen.modified.is_empty() => NodeState::Drifted,
            Some(_) => NodeState::InSync,
        }
    }

    /// Asks these nodes what is live there, which also mends what a crash left; gives the states that changed. While a
    /// deployment is under way nobody is asked.
    ///
    /// # Errors
    /// When what is recorded cannot be read.
    pub async fn look(&self, nodes: &[String]) -> Result<Vec<AppStateChange>, BookError> {
        let Ok(_turn) = self.memory.turn.try_lock() else { return Ok(Vec::new()) };
        let parts = self.parts().await?;
        let asked = stream::iter(nodes.to_vec()).map(|node| self.look_at(&parts, node));
        let changes: Vec<Option<AppStateChange>> = asked.buffer_unordered(AT_ONCE).collect().await;
        Ok(changes.into_iter().flatten().collect())
    }

    /// What a deployment left on its nodes needs not be asked for.
    pub(super) fn note_seen(&self, book: &AppBook, record: &DeploymentRecord) {
        let mut all = self.memory.seen.write().unwrap_or_else(PoisonError::into_inner);
        for (name, node) in &record.nodes {
            if !matches!(node.status, NodeOutcome::Succeeded | NodeOutcome::Reverted) {
                continue;
            }
            let mut seen = SeenNode {
                at: self.clock.now(),
                online: true,
                revision: node.to.clone(),
                modified: Vec::new(),
                error: None,
                state: NodeState::Unknown,
            };
            seen.state = self.state_of(book, name, Some(&seen));
            all.insert(name.clone(), seen);
        }
    }

    /// The same, for somebody who only wants to see: the changes are given to the next [`Self::look`].
    ///
    /// # Errors
    /// As [`Self::look`].
    pub async fn look_without_news(&self, nodes: &[String]) -> Result<(), BookError> {
        let before: Vec<(String, NodeState)> =
            nodes.iter().filter_map(|node| Some((node.clone(), self.seen(node)?.state))).collect();
        self.look(nodes).await?;
        let mut seen = self.memory.seen.write().unwrap_or_else(PoisonError::into_inner);
        for (node, state) in before {
            if let Some(seen) = seen.get_mut(&node) {
                seen.state = state;
            }
        }
        Ok(())
    }

    /// Asks a node. Deployments wait meanwhile, so one that hangs is not waited for.
    async fn status(&self, parts: &AppParts, node: &str) -> NodeStepOutcome {
        let asked = parts.steps.run(node, self.status_call());
        tokio::time::timeout(LONGEST_STATUS + MARGIN, asked).await.unwrap_or_else(|_| {
            let error = "the node does not answer in time".to_owned();
            let kind = RunnerFailureKind::TimedOut;
            Err(NodeStepFailure { kind, error, result: Map::new(), unreachable: true, unknown: false })
        })
    }

    async fn look_at(&self, parts: &AppParts, node: String) -> Option<AppStateChange> {
        let mut answer = self.status(parts, &node).await;
        if !is_busy(&answer)
            && let Some(deployment) = unfinished(&answer)
            && self.settle(parts, &node, &deployment).await
        {
            // What is live now, and not what was.
            answer = self.status(parts, &node).await;
        }
        let at = self.clock.now();
        if is_busy(&answer) {
            // A step runs there, of another daemon: what is live is seen when it has ended.
            return None;
        }
        let mut seen = match &answer {
            Ok(status) => SeenNode {
                at,
                online: true,
                revision: exact(status, "revision"),
                modified: list(status, "modified", MOST_FILES),
                error: None,
                state: NodeState::Unknown,
            },
            Err(failure) => SeenNode {
                at,
                online: !failure.unreachable,
                revision: None,
                modified: Vec::new(),
                error: Some(clipped(&failure.error, SENTENCE)),
                state: NodeState::Unknown,
            },
        };
        if answer.is_ok() && unfinished(&answer).is_none() {
            self.clear_unfinished(parts, &node, seen.revision.as_ref()).await;
        }
        let book = parts.book.now();
        seen.state = self.state_of(&book, &node, Some(&seen));
        let before = self
            .memory
            .seen
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node.clone(), seen.clone());
        let (state, before) = (seen.state, before?.state);
        let is_news = state != before && !(state == NodeState::Unknown || before == NodeState::Unknown)
            || state != before && matches!(state, NodeState::Drifted | NodeState::Broken);
        is_news.then(|| AppStateChange {
            app: self.settings.name.clone(),
            node,
            state,
            before,
            revision: seen.revision,
            modified: seen.modified,
        })
    }

    /// A node that was away has a deployment that is not finished there: it is confirmed where it succeeded on this
    /// node, or its revision is that of the application, and reverted where not. Returns whether anything was done.
    async fn settle(&self, parts: &AppParts, node: &str, deployment: &str) -> bool {
        let book = parts.book.now();
        let Some(record) = book.deployment(deployment) else {
            // It goes on: here, as soon as its job does, or it is one of another daemon.
            tracing::info!(
                app = self.settings.name,
                node,
                deployment,
                "a deployment is under way on the node"
            );
            return false;
        };
        let succeeded = |node: &NodeDeployment| node.status == NodeOutcome::Succeeded;
        let is_good = record.to.is_some()
            && (record.to == book.revision || record.nodes.get(node).is_some_and(succeeded));
        let name = if is_good { StepName::Finish } else { StepName::Revert };
        let mut call = self.status_call();
        (call.name, call.timeout) = (name, None);
        // A name of its own each time: a runner keeps how a job ended, and does not run it again.
        call.job_id = format!("{deployment}.{}-late-{}", name.as_str(), self.clock.unix_millis());
        let revision = record.to.clone().unwrap_or_default();
        call.deploy.insert("id".to_owned(), deployment.into());
        call.deploy.insert("revision".to_owned(), revision.into());
        match parts.steps.run(node, call).await {
            Ok(_) => tracing::info!(
                app = self.settings.name,
                node,
                step = name.as_str(),
                "an unfinished deployment is settled"
            ),
            Err(failure) => {
                let error = failure.error;
                tracing::warn!(app = self.settings.name, node, %error, "an unfinished deployment is not settled");
            }
        }
        true
    }

    /// Nothing is unfinished on this node any more.
    async fn clear_unfinished(&self, parts: &AppParts, node: &str, revision: Option<&String>) {
        if parts.book.now().node(node).unfinished.is_none() {
            return;
        }
        let (node, revision) = (node.to_owned(), revision.cloned());
        let cleared = parts.book.change(move |book| {
            let known = book.nodes.entry(node).or_default();
            (known.unfinished, known.revision) = (None, revision);
        });
        if let Err(error) = cleared.await {
            tracing::warn!(app = self.settings.name, %error, "what is known of the node cannot be written");
        }
    }

    /// The nodes that are to get a revision when they are back, with that revision.
    ///
    /// # Errors
    /// When what is recorded cannot be read.
    pub async fn to_catch_up(&self) -> Result<Vec<(String, String)>, BookError> {
        let book = self.book().await?;
        if book.hold(self.clock.now()).is_some() {
            return Ok(Vec::new());
        }
        let waits = self.settings.nodes.iter().filter_map(|node| {
            book.nodes.get(&node.name)?.catch_up.as_ref()?;
            // Meanwhile another one may be live.
            Some((node.name.clone(), book.revision.clone()?))
        });
        Ok(waits.collect())
    }

    fn status_call(&self) -> StepCall {
        let deploy = [
            ("id", Value::from("status")),
            ("action", "deploy".into()),
            ("revision", "0".into()),
            ("by", "herald".into()),
        ];
        StepCall {
            job_id: format!("status-{}-{}", self.settings.name, self.clock.unix_millis()),
            attempt: 1,
            name: StepName::Status,
            deploy: deploy.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            timeout: Some(LONGEST_STATUS),
            stop: Stop::new(),
            output: Arc::new(NoOutput),
            joined: false,
        }
    }
}

fn is_busy(answer: &NodeStepOutcome) -> bool {
    answer.as_ref().is_ok_and(|status| status.get("is_busy") == Some(&Value::Bool(true)))
}

/// The deployment that is not finished on the node.
fn unfinished(answer: &NodeStepOutcome) -> Option<String> {
    text(answer.as_ref().ok()?, "deployment")
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}
