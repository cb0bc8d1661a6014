//! The daemon itself: what it is, what it goes by, how it does.

use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use herald_access::Role;
use herald_core::dispatcher::DispatcherStatus;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use super::act::CommandAct;
use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::caller::{ApiCaller, ReasonQuery};
use super::context::Api;
use super::given::Named;
use super::json::Json;
use super::resources;
use herald_control::model;
use herald_metrics::MetricsFormat;
use herald_overview::history::resources as recorded;
use herald_overview::node_jobs::node_jobs;
use herald_remote::KnownNode;

/// The routers, with their tasks; secrets are masked
#[utoipa::path(get, path = "/v1/routers", tag = "configuration",
    responses((status = 200, description = "The routers, by name.", body = Vec<model::RouterResource>), CommonErrors))]
pub(crate) async fn routers(State(api): State<Arc<Api>>) -> HandlerResult<Json<Vec<model::RouterResource>>> {
    let (view, mut pauses) = (api.view(), api.pauses.current(api.clock.now()));
    // Of ten thousand routers this takes a while.
    let routers = tokio::task::spawn_blocking(move || {
        let mut routers = view.routers();
        for router in &mut routers {
            router.paused = pauses.remove(&router.name).map(recorded::pause);
        }
        routers
    });
    let routers = routers.await;
    routers
        .map(Json)
        .map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// The executors
#[utoipa::path(get, path = "/v1/executors", tag = "configuration",
    responses((status = 200, description = "The executors, by name.", body = Vec<model::ExecutorResource>), CommonErrors))]
pub(crate) async fn executors(State(api): State<Arc<Api>>) -> Json<Vec<model::ExecutorResource>> {
    Json(api.view().executors.clone())
}

/// The nodes of the fleet: state, since when, version, running jobs, clock offset
#[utoipa::path(get, path = "/v1/nodes", tag = "configuration",
    responses((status = 200, description = "The nodes, by name.", body = Vec<model::NodeResource>), CommonErrors))]
pub(crate) async fn nodes(State(api): State<Arc<Api>>) -> Json<Vec<model::NodeResource>> {
    Json(known_nodes(&api))
}

fn known_nodes(api: &Api) -> Vec<model::NodeResource> {
    let mut drains = api.drains.current(api.clock.now());
    let shown = |known: KnownNode| {
        let drained = drains.remove(&known.name).map(recorded::drain);
        model::NodeResource { drained, ..resources::node(known) }
    };
    api.nodes.nodes().into_iter().map(shown).collect()
}

/// A node: how it is, and the jobs of the executors that go to it
#[utoipa::path(get, path = "/v1/nodes/{name}", tag = "configuration", params(("name" = String, Path, description = "The node.")),
    responses((status = 200, description = "The node.", body = model::NodeDetails), CommonErrors, Missing))]
pub(crate) async fn node(
    State(api): State<Arc<Api>>,
    Named(name): Named,
) -> HandlerResult<Json<model::NodeDetails>> {
    let nodes = known_nodes(&api);
    let names = || nodes.iter().map(|node| node.name.as_str());
    let found = nodes.iter().find(|node| node.name == name).cloned();
    let node = found.ok_or_else(|| ErrorResponse::no_such("node", &name, names()))?;
    let routers = routers(State(api.clone())).await?.0;
    Ok(Json(node_jobs(&*api.history, node, &api.view().executors, &routers).await?))
}

/// Version, process, configuration, number of running and queued jobs
#[utoipa::path(get, path = "/v1/info", tag = "daemon",
    responses((status = 200, description = "The daemon.", body = model::DaemonInfo), CommonErrors))]
pub(crate) async fn info(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<ApiCaller>,
) -> Json<model::DaemonInfo> {
    let status = api.status().await;
    let failed = api.failed_reload.read().unwrap_or_else(PoisonError::into_inner).clone();
    let is_admin = by.caller.require(Role::Admin).is_ok();
    let count = |of: fn(&DispatcherStatus) -> usize| status.as_ref().map_or(0, |now| of(now) as u64);
    Json(model::DaemonInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: api.started_at.to_string(),
        config: api.config.clone(),
        state_dir: api.state_dir.as_ref().map(|folder| folder.display().to_string()),
        running: count(|now| now.running),
        queued: count(|now| now.waiting),
        paused: api.pauses.current(api.clock.now()).into_values().map(recorded::pause).collect(),
        failed_reload: failed.map(|failed| if is_admin { failed } else { failed.without_reason() }),
    })
}

/// Reloads the configuration; on errors, they are returned and the running configuration is kept
#[utoipa::path(post, path = "/v1/reload", tag = "configuration", params(ReasonQuery),
    responses((status = 200, description = "The new configuration is in use.", body = model::Reloaded),
        (status = 422, description = "It is invalid, and nothing changed: `detail` lists every error with its place.",
            body = model::ProblemDetails, content_type = "application/problem+json"), CommonErrors))]
pub(crate) async fn reload(
    State(api): State<Arc<Api>>,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::Reloaded>> {
    let gone = || {
        ErrorResponse::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "Herald is stopping, or busy with another reload",
        )
    };
    act.begin_everywhere("configuration".to_owned()).await?;
    let (reply, answer) = oneshot::channel();
    api.reload.try_send(reply).map_err(|_| gone())?;
    match answer.await {
        Ok(Ok(reloaded)) => Ok(Json(reloaded)),
        Ok(Err(problems)) => Err(ErrorResponse::new(StatusCode::UNPROCESSABLE_ENTITY, problems.to_string())),
        Err(_) => Err(gone()),
    }
}

/// Liveness probe
#[utoipa::path(get, path = "/healthz", tag = "daemon",
    responses((status = 200, description = "The process is alive.", body = model::Health), CommonErrors))]
pub(crate) async fn healthz() -> Json<model::Health> {
    Json(model::Health::ok())
}

/// Readiness probe: whether events are accepted
#[utoipa::path(get, path = "/readyz", tag = "daemon",
    responses((status = 200, description = "Events are accepted. `status` is `damaged` when a part of the state is damaged and left out; `etcd` and `queue` name those that cannot be used.", body = model::Health), CommonErrors))]
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> HandlerResult<Json<model::Health>> {
    if let Some(why) = api.closed_for() {
        return Err(ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    let why = match api.status().await {
        None => "the dispatcher does not answer: the disk of the journal may be stuck".to_owned(),
        Some(DispatcherStatus { stopping: true, .. }) => "Herald is stopping".to_owned(),
        Some(DispatcherStatus { held: Some(why), .. }) => format!("events cannot be recorded: {why}"),
        Some(DispatcherStatus { full: true, .. }) => "the queue is full (max_queue)".to_owned(),
        Some(_) => return Ok(Json(ready(&api))),
    };
    Err(ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why))
}

fn ready(api: &Api) -> model::Health {
    let view = api.view();
    model::Health::ready(api.damage.list(), view.etcd.problems(), view.queues.problems())
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "daemon",
    responses((status = 200, description = "Prometheus text (0.0.4), or OpenMetrics where `Accept` asks for it.",
        body = String, content_type = "text/plain"), CommonErrors))]
pub(crate) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let format = MetricsFormat::asked_for(&headers);
    api.metrics.rejections(&api.rejections());
    api.metrics.etcd.show(&api.view().etcd);
    api.metrics.queues.show(&super::queues::snapshots(&api.view(), api.clock.now()).await);
    api.metrics.clock_waits.show(api.view().waits_for_clock(api.clock.now()));
    api.metrics.drains.show(api.drains.current(api.clock.now()).keys());
    api.metrics.pauses.show(api.pauses.current(api.clock.now()).keys());
    super::apps::show_metrics(&api).await;
    api.metrics.published.show(&super::published::states(&api.view()).await);
    let text = api.metrics.render(api.status().await.as_ref(), format);
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}
