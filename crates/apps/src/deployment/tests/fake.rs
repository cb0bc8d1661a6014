//! Nodes and a repository that do what is scripted, and write down what they were asked.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::clock::Clock;
use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_config::problem::Path as Place;
use herald_deploy::{Commit, DeployError, LogRange, SourceError};
use herald_remote::{ConfiguredNode, Nodes, RunnerAddress, RunnerFailureKind};
use herald_wire::secret::Secrets;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::app::{App, AppMemories};
use crate::book::DeploymentRecord;
use crate::deployment::DeploymentRequest;
use crate::node::{NodeStepFailure, NodeStepOutcome, NodeSteps, StepCall, StepName};
use crate::settings::{self, AppSettings};
use crate::source::AppSource;

/// What a step does on a node; what is not scripted succeeds.
#[derive(Clone)]
pub(super) enum Does {
    Fails(RunnerFailureKind, &'static str),
    /// The switch fails when the new tree is live, or the revert when the old one is.
    FailsLive(&'static str),
    IsAway,
    /// It does not know the step that is to be joined.
    IsUnknown,
    Plans(Value),
    Hangs,
    /// It takes so long, and then succeeds.
    Takes(Duration),
}

/// Nodes that write down what they were asked: `web1 switch`.
#[derive(Default)]
pub(super) struct FakeNodes {
    pub(super) asked: Mutex<Vec<String>>,
    /// The ids of the jobs, in the same order; they are never forgotten.
    pub(super) jobs: Mutex<Vec<String>>,
    pub(super) script: Mutex<HashMap<String, Does>>,
    /// What is live on each node.
    pub(super) live: Mutex<BTreeMap<String, String>>,
}

impl FakeNodes {
    pub(super) fn script(&self, step: &str, does: Does) {
        self.script.lock().unwrap().insert(step.to_owned(), does);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn failure(kind: RunnerFailureKind, error: &str, result: &Value) -> NodeStepOutcome {
    let result = result.as_object().cloned().unwrap_or_default();
    Err(NodeStepFailure { kind, error: error.to_owned(), result, unreachable: false, unknown: false })
}

#[async_trait]
impl NodeSteps for FakeNodes {
    async fn run(&self, node: &str, call: StepCall) -> NodeStepOutcome {
        let step = format!("{node} {}", call.name.as_str());
        let joined = if call.joined { " joined" } else { "" };
        self.asked.lock().unwrap().push(format!("{step}{joined}"));
        self.jobs.lock().unwrap().push(call.job_id.clone());
        let does = self.script.lock().unwrap().get(&step).cloned();
        let live = self.live.lock().unwrap().get(node).cloned();
        match does {
            Some(Does::Fails(kind, error)) => return failure(kind, error, &json!({"switched": false})),
            Some(Does::FailsLive(error)) => {
                return failure(
                    RunnerFailureKind::Failed,
                    error,
                    &json!({"switched": true, "reverted": true}),
                );
            }
            Some(Does::IsAway) => {
                let mut away = failure(RunnerFailureKind::Failed, "cannot be reached", &json!({}));
                if let Err(away) = &mut away {
                    away.unreachable = true;
                }
                return away;
            }
            Some(Does::IsUnknown) if call.joined => {
                let mut unknown = failure(RunnerFailureKind::Lost, "does not know the job", &json!({}));
                if let Err(unknown) = &mut unknown {
                    unknown.unknown = true;
                }
                return unknown;
            }
            Some(Does::IsUnknown) => {}
            Some(Does::Plans(plan)) => return Ok(plan.as_object().cloned().unwrap_or_default()),
            Some(Does::Hangs) => {
                call.stop.asked().await;
                return failure(RunnerFailureKind::Cancelled, "cancelled", &json!({"switched": false}));
            }
            Some(Does::Takes(long)) => tokio::time::sleep(long).await,
            None => {}
        }
        if call.name == StepName::Switch {
            let revision = call.deploy["revision"].as_str().unwrap().to_owned();
            self.live.lock().unwrap().insert(node.to_owned(), revision);
        }
        let answer = match call.name {
            StepName::Plan => json!({"current": live, "refusals": []}),
            StepName::Prepare => json!({"digest": format!("d{}", call.deploy["revision"].as_str().unwrap())}),
            StepName::Status => json!({"revision": live, "modified": []}),
            StepName::Switch => json!({"switched": true, "health_ms": 0, "verify_ms": 0}),
            _ => json!({}),
        };
        Ok(answer.as_object().cloned().unwrap_or_default())
    }

    async fn is_reachable(&self, node: &str) -> bool {
        !matches!(self.script.lock().unwrap().get(&format!("{node} plan")), Some(Does::IsAway))
    }
}

/// Revisions are numbers, one after the other.
pub(super) struct FakeSource(pub(super) Mutex<u64>);

#[async_trait]
impl AppSource for FakeSource {
    async fn resolve(&self, revision: &str, _: Duration, _: &Stop) -> Result<String, DeployError> {
        let head = *self.0.lock().unwrap();
        match revision.parse::<u64>() {
            Ok(number) if number <= head => Ok(number.to_string()),
            Err(_) if revision == "HEAD" => Ok(head.to_string()),
            _ => Err(SourceError::NoRevision { revision: revision.to_owned(), url: "x".to_owned() }.into()),
        }
    }

    async fn log(&self, range: &LogRange, _: Duration, _: &Stop) -> Result<Vec<Commit>, DeployError> {
        let after = range.after.as_ref().map_or(0, |after| after.parse().unwrap());
        let upto: u64 = range.upto.parse().unwrap();
        let commit = |number: u64| Commit {
            revision: number.to_string(),
            author: "a.b-c".to_owned(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            message: format!("commit {number}"),
        };
        Ok((after + 1..=upto).rev().take(range.limit).map(commit).collect())
    }

    async fn is_ancestor(
        &self,
        older: &str,
        newer: &str,
        _: Duration,
        _: &Stop,
    ) -> Result<bool, DeployError> {
        Ok(older.parse::<u64>().unwrap() <= newer.parse::<u64>().unwrap())
    }
}

/// A clock that does not move.
pub(super) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-12-02T12:00:00Z".parse().unwrap()
    }
}

/// An application on `web1` to `web3`, in this folder, with these options.
pub(super) struct Fixture {
    pub(super) app: App,
    pub(super) nodes: Arc<FakeNodes>,
    pub(super) source: Arc<FakeSource>,
}

pub(super) fn settings_of(changes: &Value) -> AppSettings {
    let node = |name: &str| ConfiguredNode {
        name: name.to_owned(),
        runner: RunnerAddress {
            url: format!("http://{name}:8124/").parse().unwrap(),
            secrets: Secrets::new(["0123456789abcdef"]).unwrap(),
            tls: None,
        },
        tags: Vec::new(),
    };
    let all = Nodes(vec![node("web1"), node("web2"), node("web3")]);
    let mut given = json!({"repo": "svn://svn/shop", "path": "/srv/shop", "nodes": ["web1", "web2", "web3"]});
    for (key, value) in changes.as_object().unwrap() {
        given[key] = value.clone();
    }
    let (options, problems) = settings::description().check_map(given.as_object().unwrap(), &Place::top());
    assert!(problems.is_empty(), "{:?}", problems.first().map(|problem| &problem.message));
    AppSettings::read("shop", &options, &all).unwrap()
}

impl Fixture {
    pub(super) fn new(folder: &Path, changes: &Value) -> Self {
        let nodes = Arc::new(FakeNodes::default());
        let source = Arc::new(FakeSource(Mutex::new(5)));
        Self::with(folder, changes, nodes, source)
    }

    /// As after a restart of the daemon: nothing is the same but the folder, the nodes and the repository.
    pub(super) fn with(
        folder: &Path,
        changes: &Value,
        nodes: Arc<FakeNodes>,
        source: Arc<FakeSource>,
    ) -> Self {
        let memories = AppMemories::new(Some(folder.to_owned()));
        let app = App::with(settings_of(changes), &memories, source.clone(), nodes.clone(), Arc::new(Noon));
        Self { app, nodes, source }
    }

    pub(super) async fn deploy(&self, job: &str, params: &Value) -> DeploymentRecord {
        let request = Self::request(job, params);
        self.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap()
    }

    pub(super) fn request(job: &str, params: &Value) -> DeploymentRequest {
        let empty = Map::new();
        let params = params.as_object().unwrap_or(&empty);
        let automatic = params.get("automatic").is_some();
        let request = DeploymentRequest::read(job, 1, params).unwrap();
        DeploymentRequest { by_name: "alice".to_owned(), automatic, ..request }
    }

    pub(super) fn live(&self) -> Vec<String> {
        self.nodes.live.lock().unwrap().values().cloned().collect()
    }
}

/// `web1 succeeded, web2 reverted`.
pub(super) fn outcomes(record: &DeploymentRecord) -> String {
    let one = |(name, node): (&String, &crate::book::NodeDeployment)| {
        format!("{name} {}", serde_json::to_value(node.status).unwrap().as_str().unwrap())
    };
    record.nodes.iter().map(one).collect::<Vec<_>>().join(", ")
}
