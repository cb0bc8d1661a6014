//! The jobs of one node: those of the executors that go to it.

use std::collections::BTreeSet;

use herald_control::model::{ExecutorResource, NodeDetails, NodeJob, NodeResource, RouterResource};
use herald_store::history::{History, HistoryError, JobQuery, JobStatus, JobSummaryView};
use serde_json::Value;

use crate::history::job_list::summary;

/// The most jobs of each list.
const MOST: usize = 20;
/// The most running jobs that are looked at.
const MOST_RUNNING: usize = 500;
/// The most routers that are asked, and how many of the newest jobs of each are looked at.
const MOST_ROUTERS: usize = 50;
const OF_ROUTER: usize = 2 * MOST;

/// A node with its jobs, as executors and routers are configured. What it costs is bounded, however long the history
/// is.
///
/// # Errors
/// [`HistoryError`].
pub async fn node_jobs(
    history: &dyn History,
    node: NodeResource,
    executors: &[ExecutorResource],
    routers: &[RouterResource],
) -> Result<NodeDetails, HistoryError> {
    let goes_there = executors.iter().filter(|executor| executor.nodes.contains(&node.name));
    let names: BTreeSet<&str> = goes_there.map(|executor| &*executor.name).collect();
    let executors = names.iter().copied().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(NodeDetails { node, executors, running_jobs: Vec::new(), last_jobs: Vec::new() });
    }
    let is_own = |job: &JobSummaryView| names.contains(&*job.executor);
    let query = JobQuery { status: vec![JobStatus::Running], limit: MOST_RUNNING, ..JobQuery::default() };
    let running = history.jobs(query).await?.jobs.into_iter().filter(is_own).take(MOST);
    let running_jobs = running.map(|job| NodeJob { job: summary(job), here: None }).collect();
    let uses = |router: &&RouterResource| router.tasks.iter().any(|task| names.contains(&*task.executor));
    let mut ended = Vec::new();
    for router in routers.iter().filter(uses).take(MOST_ROUTERS) {
        let query = JobQuery { router: Some(router.name.clone()), limit: OF_ROUTER, ..JobQuery::default() };
        let jobs = history.jobs(query).await?.jobs.into_iter();
        ended.extend(jobs.filter(|job| is_own(job) && job.state.ended_at.is_some()).take(MOST));
    }
    ended.sort_by(|a, b| b.id.cmp(&a.id));
    let mut last_jobs = Vec::new();
    for job in ended.into_iter().take(MOST) {
        let here = status_here(history, &job.id, &node.name).await?;
        last_jobs.push(NodeJob { job: summary(job), here });
    }
    Ok(NodeDetails { node, executors, running_jobs, last_jobs })
}

/// How a job ended on the node, where its result says so.
async fn status_here(history: &dyn History, id: &str, node: &str) -> Result<Option<String>, HistoryError> {
    let job = history.job(id).await?;
    let result = job.and_then(|job| job.result);
    let of_node = result.as_ref().and_then(|result| result.get("node")?.get(node)?.get("status"));
    Ok(of_node.and_then(Value::as_str).map(str::to_owned))
}
