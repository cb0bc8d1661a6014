//! The routers as a graph, with the newest job of each task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use herald_control::model::{GraphResource, LastJob};
use herald_store::history::{JobPage, JobQuery};
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;
use super::json::Json;

/// The most routers, and the most edges, of one answer.
const ROUTERS: usize = 200;
const EDGES: usize = 2000;
/// The newest jobs of a router, among which those of its tasks are looked for: at least, for each task, and at most.
const NEWEST: usize = 20;
const NEWEST_OF_TASK: usize = 2;
const MOST_NEWEST: usize = 1000;
/// One graph is made at a time; others wait so long.
static TURN: Semaphore = Semaphore::const_new(1);
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GraphQuery {
    /// Only routers whose name or trigger has this part; where they are few, those that come before or after them too.
    router: Option<String>,
}

/// The routers as a graph: triggers, routers, tasks, and which end of a job starts which router; at most 200 routers
#[utoipa::path(get, path = "/v1/graph", tag = "configuration", params(GraphQuery),
    responses((status = 200, description = "The graph.", body = GraphResource), CommonErrors))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<GraphQuery>,
) -> HandlerResult<Json<GraphResource>> {
    let view = api.view();
    let wanted = query.router.unwrap_or_default();
    // Of ten thousand routers this takes a while.
    let turn = tokio::time::timeout(PATIENCE, TURN.acquire()).await.map_err(|_| {
        ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, "other graphs are being made; try again later")
    })?;
    let graph = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        view.graph().part(&wanted, ROUTERS, EDGES)
    });
    let mut graph =
        graph.await.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let mut routers: BTreeMap<String, usize> = BTreeMap::new();
    for router in graph.nodes.iter().filter_map(|node| node.router.clone()) {
        *routers.entry(router).or_default() += 1;
    }
    for (router, tasks) in routers {
        let limit = (NEWEST_OF_TASK * tasks).clamp(NEWEST, MOST_NEWEST);
        let query = JobQuery { router: Some(router.clone()), limit, ..JobQuery::default() };
        let JobPage { jobs, next_cursor } = api.history.jobs(query).await?;
        let tasks = graph.nodes.iter_mut().filter(|node| node.router.as_deref() == Some(&router));
        for task in tasks {
            let newest = jobs.iter().find(|job| *job.task == *task.name);
            task.has_older = newest.is_none() && next_cursor.is_some();
            task.last = newest.map(|job| LastJob {
                job_id: job.id.to_string(),
                status: job.state.status.as_str().to_owned(),
                at: job.queued_at.to_string(),
            });
        }
    }
    Ok(Json(graph))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use herald_control::model::GraphNodeKind;
    use herald_core::clock::SystemClock;

    use super::*;
    use crate::api::tests::{api_of, get};

    async fn graph(config: &str, query: &str) -> GraphResource {
        let (api, _dispatcher) = api_of(config, Arc::new(SystemClock), Arc::default(), Arc::default(), None);
        let (status, body) = get(&api, &format!("/v1/graph{query}")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn names(graph: &GraphResource) -> Vec<&str> {
        let routers = graph.nodes.iter().filter(|node| node.kind == GraphNodeKind::Routing);
        routers.map(|node| &*node.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_has_its_neighbours() {
        let config = "
trigger: {nightly: {type: cron, cron: '0 3 * * *'}, unused: {type: tick}}
router:
  a: {trigger: nightly, selector: all, task: {z: none, y: none}}
  b: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: a}}
  c: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: b}}
  d: {trigger: nightly, selector: all, task: {t: none}}
";
        for (query, routers, triggers, edges) in [
            ("", vec!["a", "b", "c", "d"], 2, 10),
            ("?router=a", vec!["a", "b"], 1, 6),
            ("?router=c", vec!["b", "c"], 0, 3),
            ("?router=nightly", vec!["a", "b", "d"], 1, 8),
            ("?router=nothing", vec![], 0, 0),
        ] {
            let graph = graph(config, query).await;
            assert_eq!(names(&graph), routers, "{query}");
            let found = graph.nodes.iter().filter(|node| node.kind == GraphNodeKind::Trigger);
            assert_eq!(found.count(), triggers, "{query}");
            assert_eq!(graph.edges.len(), edges, "{query}");
            assert_eq!(graph.router_count, None);
            assert!(graph.nodes.iter().enumerate().all(|(place, node)| place == node.id), "{query}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_routers_are_shown_in_part() {
        let mut config = "router:\n".to_owned();
        for n in 0..1000 {
            writeln!(config, "  r{n:04}: {{trigger: tick, selector: all, task: {{t: none}}}}").unwrap();
            writeln!(config, "  s{n:04}: {{trigger: exe_done, selector: expr, select_param: {{expr: 'trigger_param.status == \"failed\"'}}, task: {{t: none}}}}").unwrap();
        }
        let graph_all = graph(&config, "").await;
        assert_eq!((names(&graph_all).len(), graph_all.router_count), (ROUTERS, Some(2000)));
        assert_eq!(graph_all.edges_left_out, None);
        let listeners = graph(&config, "?router=s0").await;
        assert_eq!((listeners.edges.len(), listeners.router_count), (EDGES, Some(1000)));
        assert!(listeners.edges_left_out.unwrap() > 30_000);
        let one = graph(&config, "?router=r0007").await;
        assert_eq!((names(&one).len(), one.router_count), (ROUTERS, None));
    }
}
