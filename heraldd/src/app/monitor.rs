//! Looks at every application now and then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use herald_apps::{App, AppMemories, AppStateChange, DeploymentRecord};
use herald_base::failpoint;
use herald_core::activation::{APP, APP_STATE, DEPLOYED, EventSink, Key, NewEvent};
use herald_core::dispatcher::Handle;
use herald_core::param::Params;
use herald_metrics::Metrics;
use herald_remote::NodeRegistry;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How often it is seen whether a node came back.
const EVERY: Duration = Duration::from_secs(1);
/// After this time what could not be announced is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// How long it is remembered that `deployed` was fired for a deployment.
const KEY_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);
/// A node that failed to catch up is tried again after this time, and then after twice as long each time.
const CATCH_UP_AGAIN: Duration = Duration::from_secs(60);
const LONGEST_CATCH_UP: Duration = Duration::from_secs(3600);

/// The tasks that look, one for each application. Dropped, they end.
pub struct AppMonitor {
    _tasks: JoinSet<()>,
}

impl AppMonitor {
    /// Looks from now on. Call it inside the runtime.
    #[must_use]
    pub fn start(
        apps: Vec<App>,
        memories: AppMemories,
        nodes: &Arc<NodeRegistry>,
        handle: &Handle,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let sink: Arc<dyn EventSink> = Arc::new(handle.clone());
        let mut tasks = JoinSet::new();
        if apps.is_empty() {
            return Self { _tasks: tasks };
        }
        for app in &apps {
            let watch = AppWatch { app: app.clone(), nodes: nodes.clone(), sink: sink.clone() };
            tasks.spawn(watch.go_on());
        }
        let metrics = metrics.clone();
        tasks.spawn(async move {
            loop {
                for app in &apps {
                    announce(app, &*sink, &metrics).await;
                }
                tokio::select! {
                    () = memories.announced() => {}
                    () = sleep(AGAIN) => {}
                }
            }
        });
        Self { _tasks: tasks }
    }
}

/// Fires `deployed` for what has ended, each once.
async fn announce(app: &App, sink: &dyn EventSink, metrics: &Metrics) {
    let ended = match app.unannounced().await {
        Ok(ended) => ended,
        Err(error) => {
            return tracing::error!(app = app.settings().name, %error, "what was deployed is not known");
        }
    };
    for record in ended {
        // A process that is killed before the next line fires it again, under the same key.
        let key = Key { name: format!("{DEPLOYED}/{}/{}", record.app, record.id).into(), window: KEY_WINDOW };
        let event = NewEvent { key: Some(key), ..NewEvent::new(DEPLOYED.into(), deployed(&record)) };
        if let Err(refused) = sink.accept_event(event).await {
            tracing::warn!(app = record.app, "could not fire deployed: {refused}");
            return;
        }
        metrics.apps.ended(&record.app, record.status.as_str());
        failpoint!("apps-announced");
        if let Err(error) = app.announced(&record.id).await {
            tracing::error!(app = record.app, %error, "that deployed was fired cannot be noted");
        }
    }
}

fn deployed(record: &DeploymentRecord) -> Params {
    object(serde_json::to_value(record).unwrap_or_default())
}

fn object(value: Value) -> Params {
    match value {
        Value::Object(map) => map,
        _ => Params::new(),
    }
}

/// When a node may try to catch up again.
struct NextTry {
    at: Instant,
    /// How long it waits until then.
    wait: Duration,
}

/// One application.
struct AppWatch {
    app: App,
    nodes: Arc<NodeRegistry>,
    sink: Arc<dyn EventSink>,
}

impl AppWatch {
    async fn go_on(self) {
        // A job that goes on with it comes first.
        let mut left_over = Instant::now() + AGAIN;
        let names: Vec<String> = self.app.settings().nodes.iter().map(|node| node.name.clone()).collect();
        let mut was_online: HashMap<String, bool> = HashMap::new();
        let mut due: HashMap<String, NextTry> = HashMap::new();
        let mut next = Instant::now();
        loop {
            let mut look_at = Vec::new();
            for name in &names {
                let is_online = self.nodes.is_online(name);
                let came_back = is_online && was_online.insert(name.clone(), true) != Some(true);
                if !is_online {
                    was_online.insert(name.clone(), false);
                }
                if came_back || Instant::now() >= next {
                    look_at.push(name.clone());
                }
            }
            if Instant::now() >= next {
                next = Instant::now() + self.app.settings().drift_interval;
            }
            if !look_at.is_empty() {
                self.look(&look_at).await;
            }
            if Instant::now() >= left_over {
                left_over = Instant::now() + AGAIN;
                self.finish_left_over().await;
            }
            self.catch_up(&mut due).await;
            sleep(EVERY).await;
        }
    }

    /// A deployment that was interrupted, and that no job goes on with, is seen to its end.
    async fn finish_left_over(&self) {
        if let Err(error) = self.app.finish_left_over().await {
            tracing::error!(app = self.app.settings().name, %error, "a deployment that was interrupted cannot go on");
        }
    }

    async fn look(&self, nodes: &[String]) {
        match self.app.look(nodes).await {
            Ok(changes) => {
                for change in changes {
                    self.fire(change).await;
                }
            }
            Err(error) => {
                tracing::error!(app = self.app.settings().name, %error, "what is live cannot be compared");
            }
        }
    }

    async fn fire(&self, change: AppStateChange) {
        let AppStateChange { app, node, state, before, revision, modified } = change;
        tracing::info!(app, node, state = state.as_str(), before = before.as_str(), "app_state");
        let params = object(json!({
            "app": app, "node": node, "state": state, "before": before, "revision": revision, "modified": modified,
        }));
        if let Err(refused) = self.sink.accept(APP_STATE.into(), params).await {
            tracing::error!(app, node, "could not fire app_state: {refused}");
        }
    }

    /// Nodes that are back get what they missed.
    async fn catch_up(&self, due: &mut HashMap<String, NextTry>) {
        let waiting = self.app.to_catch_up().await.unwrap_or_default();
        due.retain(|node, _| waiting.iter().any(|(waiting, _)| waiting == node));
        for (node, revision) in waiting {
            let is_due = due.get(&node).is_none_or(|next| Instant::now() >= next.at);
            if !self.nodes.is_online(&node) || !is_due || self.app.is_busy() {
                continue;
            }
            // The last heartbeat may be older than its absence.
            if !self.app.is_reachable(&node).await {
                continue;
            }
            let wait = due.get(&node).map_or(CATCH_UP_AGAIN, |next| (next.wait * 2).min(LONGEST_CATCH_UP));
            due.insert(node.clone(), NextTry { at: Instant::now() + wait, wait });
            tracing::info!(app = self.app.settings().name, node, revision, "the node is back and catches up");
            let params = object(json!({
                "app": self.app.settings().name, "action": "deploy", "revision": revision, "nodes": [node],
                "reason": "catch up", "automatic": true, "fail_if_busy": true,
            }));
            if let Err(refused) = self.sink.accept(APP.into(), params).await {
                tracing::warn!(app = self.app.settings().name, "could not catch up: {refused}");
            }
        }
    }
}
