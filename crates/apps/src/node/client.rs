//! Steps as jobs on herald-runners.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_deploy::StepName;
use herald_remote::{
    DRAINED, DrainedNodes, NodePrefix, Protocol, RemoteSettings, RunnerClient, RunnerFailureKind, RunnerJob,
};
use herald_wire::job::JobKey;
use serde_json::{Map, Value, json};

use super::step::{NodeStepFailure, NodeStepOutcome, NodeSteps, StepCall};
use crate::settings::AppSettings;

/// How much longer than a step itself its job may take: to be sent, and for its answer.
const MARGIN: Duration = Duration::from_secs(60);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a broken connection is tried to be made again.
const REJOIN: Duration = Duration::from_secs(15);
/// How long no signed answer may come from a runner.
const SILENCE: Duration = Duration::from_secs(40);

/// The clients of the runners of an application.
pub struct RunnerSteps {
    app: Arc<AppSettings>,
    clients: HashMap<String, RunnerClient>,
    drained: DrainedNodes,
}

impl RunnerSteps {
    /// Of this application; what arrives from runners is below this folder for a moment.
    #[must_use]
    pub fn new(app: Arc<AppSettings>, data_dir: PathBuf, drained: DrainedNodes) -> Self {
        let settings = Arc::new(RemoteSettings {
            data_dir,
            timeout: app.timeout + MARGIN,
            protocol: Protocol::V2,
            connect_timeout: CONNECT,
            rejoin: REJOIN,
            silence: SILENCE,
            max_files_size: Some(0),
        });
        let client = |node: &crate::settings::AppNode| {
            (node.name.clone(), RunnerClient::new(settings.clone(), node.address.clone()))
        };
        let clients = app.nodes.iter().map(client).collect();
        Self { app, clients, drained }
    }

    fn params(&self, node: &str, call: &StepCall) -> Map<String, Value> {
        let mut deploy = call.deploy.clone();
        deploy.insert("step".to_owned(), call.name.as_str().into());
        if let Some(node) = self.app.node(node) {
            deploy.insert("app".to_owned(), self.app.for_node(node));
        }
        let millis =
            u64::try_from(call.timeout.unwrap_or(self.app.timeout).min(self.app.timeout).as_millis())
                .unwrap_or(u64::MAX);
        let params = json!({
            "id": call.job_id,
            "job_id": call.job_id,
            "attempt": call.attempt,
            "router": format!("app:{}", self.app.name),
            "task": call.name.as_str(),
            "node": node,
            "job_param": {"deploy": deploy, "timeout": format!("{millis}ms")},
        });
        match params {
            Value::Object(params) => params,
            _ => Map::new(),
        }
    }
}

#[async_trait]
impl NodeSteps for RunnerSteps {
    async fn run(&self, node: &str, call: StepCall) -> NodeStepOutcome {
        let Some(client) = self.clients.get(node) else {
            let error = "the node is no longer one of the application".to_owned();
            return Err(NodeStepFailure {
                kind: RunnerFailureKind::Failed,
                error,
                result: Map::new(),
                unreachable: false,
                unknown: false,
            });
        };
        // A deployment begins with a plan: to a new one a drained node is away. What was begun there is finished.
        if call.name == StepName::Plan && !call.joined && self.drained.has(node) {
            return Err(NodeStepFailure {
                kind: RunnerFailureKind::Failed,
                error: DRAINED.to_owned(),
                result: Map::new(),
                unreachable: true,
                unknown: false,
            });
        }
        let job = RunnerJob {
            key: JobKey { job_id: call.job_id.clone(), attempt: call.attempt },
            params: self.params(node, &call),
            stop: call.stop.clone(),
            output: Arc::new(NodePrefix::new(call.output.clone(), node)),
        };
        let output = job.output.clone();
        let ended = if call.joined { client.recover(job).await } else { client.run(job).await };
        output.close().await;
        ended.map_err(|failure| NodeStepFailure {
            kind: failure.kind,
            // What the step itself says is more than that it failed.
            error: failure.result.get("error").and_then(Value::as_str).map_or(failure.error, str::to_owned),
            result: failure.result,
            unreachable: failure.is_unreachable,
            unknown: failure.is_unknown,
        })
    }

    async fn is_reachable(&self, node: &str) -> bool {
        match self.clients.get(node) {
            Some(client) if !self.drained.has(node) => client.is_reachable().await,
            _ => false,
        }
    }
}
