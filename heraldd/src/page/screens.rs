//! The screens: each asks the functions of the control API, and shows what they return.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use herald_overview::history::event_list::EventsQuery;
use herald_overview::history::job_list::{self, JobsQuery};
use herald_overview::router_runs::FoundRuns;
use herald_page::screens;
use http::StatusCode;
use jiff::SignedDuration;

use super::job_log::{self, LogAsked};
use super::visit::{ApiState, Visit, unavailable};
use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::apps::{AppQuery, CommitsQuery, DeploymentsQuery, PlanQuery};
use crate::api::caller::ApiCaller;
use crate::api::config::ConfigQuery;
use crate::api::events::ExplainQuery;
use crate::api::given::{Asked, Named};
use crate::api::graph::GraphQuery;
use crate::api::id::{EventInPath, JobInPath};
use crate::api::json::Json;
use crate::api::{
    about, apps as api_apps, audit as api_audit, boards as api_boards, config as api_config, event_list,
    events as api_events, graph as api_graph, jobs as api_jobs, published, queues,
};
use herald_overview::audit::AuditParams;

/// The jobs of the last day that are looked at.
const RECENT: usize = 300;
const RUNNING: usize = 50;
/// How long the first screen waits for what is read elsewhere.
const LONGEST_PART: Duration = Duration::from_secs(1);

/// A part of the first screen; none where it does not come in time, which the health of the daemon says.
async fn in_time<T>(part: impl Future<Output = HandlerResult<Json<T>>>) -> Option<T> {
    Some(tokio::time::timeout(LONGEST_PART, part).await.ok()?.ok()?.0)
}

pub(super) async fn now(
    State(api): ApiState,
    visit: Visit,
    by: Extension<ApiCaller>,
) -> HandlerResult<Response> {
    let asked = |status: Option<&str>, since: Option<&str>, limit| {
        Asked(JobsQuery {
            status: status.map(str::to_owned),
            since: since.map(str::to_owned),
            limit: Some(limit),
            ..JobsQuery::default()
        })
    };
    let running = api_jobs::list(State(api.clone()), asked(Some("running"), None, RUNNING)).await?;
    let recent = api_jobs::list(State(api.clone()), asked(None, Some("24h"), RECENT)).await?;
    let since = api.clock.now() - SignedDuration::from_hours(24);
    let out_of_sight = job_list::out_of_sight(&*api.history, &recent.0, since).await?;
    let (queues, published) =
        tokio::join!(in_time(queues::list(State(api.clone()))), in_time(published::list(State(api.clone()))));
    let data = screens::now::NowData {
        info: about::info(State(api.clone()), by).await.0,
        health: about::readyz(State(api.clone())).await.map(|health| health.0).map_err(unavailable),
        running: running.0.items,
        has_more: recent.0.next_cursor.is_some(),
        recent: recent.0.items,
        out_of_sight,
        nodes: about::nodes(State(api.clone())).await.0,
        triggers: api_events::triggers(State(api.clone())).await.0,
        apps: api_apps::list(State(api.clone())).await.map(|apps| apps.0.items).unwrap_or_default(),
        queues: queues.map(|list| list.items).unwrap_or_default(),
        published: published.map(|list| list.items).unwrap_or_default(),
    };
    Ok(visit.screen(&api, |frame| screens::now::screen(frame, &data)))
}

pub(super) async fn jobs(
    State(api): ApiState,
    visit: Visit,
    query: Asked<JobsQuery>,
) -> HandlerResult<Response> {
    let page = api_jobs::list(State(api.clone()), query).await?.0;
    let is_damaged = !api.damage.list().is_empty();
    Ok(visit.screen(&api, |frame| screens::jobs::screen(frame, &page, is_damaged)))
}

pub(super) async fn job(
    State(api): ApiState,
    visit: Visit,
    id: JobInPath,
    Asked(asked): Asked<LogAsked>,
) -> HandlerResult<Response> {
    let job = api_jobs::one(State(api.clone()), id).await?.0;
    let event = EventInPath { id: job.summary.event_id.clone() };
    let about = Asked(ExplainQuery::of(&job.summary.router));
    let event = api_events::one(State(api.clone()), event, about).await.ok().map(|event| event.0);
    let log = job_log::read(&api, &job, asked).await;
    // A log may be long.
    let shown = tokio::task::spawn_blocking(move || {
        visit.screen(&api, |frame| screens::job::screen(frame, &job, event.as_ref(), &log))
    });
    shown.await.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}

pub(super) async fn events(
    State(api): ApiState,
    visit: Visit,
    query: Asked<EventsQuery>,
) -> HandlerResult<Response> {
    let page = event_list::list(State(api.clone()), query).await?.0;
    Ok(visit.screen(&api, |frame| screens::events::screen(frame, &page)))
}

pub(super) async fn event(
    State(api): ApiState,
    visit: Visit,
    id: EventInPath,
    query: Asked<ExplainQuery>,
) -> HandlerResult<Response> {
    let event = api_events::one(State(api.clone()), id, query).await?.0;
    Ok(visit.screen(&api, |frame| screens::event::screen(frame, &event)))
}

#[derive(Default, serde::Deserialize)]
pub(super) struct RoutersAsked {
    name: Option<String>,
    from: Option<String>,
}

pub(super) async fn routers(
    State(api): ApiState,
    visit: Visit,
    Asked(asked): Asked<RoutersAsked>,
) -> HandlerResult<Response> {
    let routers = about::routers(State(api.clone())).await?.0;
    let triggers = api_events::triggers(State(api.clone())).await.0;
    let page = screens::routers::page_of(&routers, asked.name.as_deref(), asked.from.as_deref());
    let names = page.shown.iter().map(|router| &*router.name);
    let FoundRuns { routers: runs, is_partial } =
        api.page.runs.of(&*api.history, names, api.clock.now()).await?;
    let data = screens::routers::RoutersData { routers, triggers, runs, is_partial };
    Ok(visit.screen(&api, |frame| screens::routers::screen(frame, &data)))
}

pub(super) async fn graph(
    State(api): ApiState,
    visit: Visit,
    query: Asked<GraphQuery>,
) -> HandlerResult<Response> {
    let graph = api_graph::show(State(api.clone()), query).await?.0;
    // The layout of many nodes takes a while.
    let shown = tokio::task::spawn_blocking(move || {
        visit.screen(&api, |frame| screens::graph::screen(frame, &graph))
    });
    shown.await.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}

pub(super) async fn nodes(State(api): ApiState, visit: Visit) -> Response {
    let nodes = about::nodes(State(api.clone())).await.0;
    visit.screen(&api, |frame| screens::nodes::screen(frame, &nodes))
}

pub(super) async fn node(State(api): ApiState, visit: Visit, name: Named) -> HandlerResult<Response> {
    let node = about::node(State(api.clone()), name).await?.0;
    let apps = api_apps::list(State(api.clone())).await.map(|apps| apps.0.items).unwrap_or_default();
    Ok(visit.screen(&api, |frame| screens::node::screen(frame, &node, &apps)))
}

pub(super) async fn apps(State(api): ApiState, visit: Visit) -> HandlerResult<Response> {
    let apps = api_apps::list(State(api.clone())).await?.0.items;
    Ok(visit.screen(&api, |frame| screens::apps::screen(frame, &apps)))
}

#[derive(Default, serde::Deserialize)]
pub(super) struct AppAsked {
    before: Option<String>,
}

pub(super) async fn app(
    State(api): ApiState,
    visit: Visit,
    Named(name): Named,
    Asked(asked): Asked<AppAsked>,
) -> HandlerResult<Response> {
    let named = || (State(api.clone()), Named(name.clone()));
    let (state, name) = named();
    let app = api_apps::one(state, name, Asked(AppQuery::default())).await?.0;
    let (state, name) = named();
    let query = CommitsQuery { before: asked.before, ..CommitsQuery::default() };
    let commits = api_apps::commits(state, name, Asked(query)).await;
    let (state, name) = named();
    let deployments = api_apps::deployments(state, name, Asked(DeploymentsQuery::default())).await?.0;
    let commits = commits.map(|page| page.0).map_err(unavailable);
    let data = screens::app::AppData { app, commits, deployments };
    Ok(visit.screen(&api, |frame| screens::app::screen(frame, &data)))
}

pub(super) async fn plan(
    State(api): ApiState,
    visit: Visit,
    name: Named,
    query: Asked<PlanQuery>,
    by: Extension<ApiCaller>,
) -> HandlerResult<Response> {
    let plan = api_apps::plan(State(api.clone()), name, query, by).await?.0;
    Ok(visit.screen(&api, |frame| screens::app::plan(frame, &plan)))
}

pub(super) async fn boards(State(api): ApiState, visit: Visit) -> Response {
    let boards = api_boards::list(State(api.clone())).await.0;
    visit.screen(&api, |frame| screens::boards::screen(frame, &boards))
}

pub(super) async fn board(State(api): ApiState, visit: Visit, name: Named) -> HandlerResult<Response> {
    let board = api_boards::one(State(api.clone()), name).await?.0;
    Ok(visit.screen(&api, |frame| screens::board::screen(frame, &board)))
}

pub(super) async fn audit(
    State(api): ApiState,
    visit: Visit,
    query: Asked<AuditParams>,
) -> HandlerResult<Response> {
    let page = api_audit::list(State(api.clone()), query).await?.0;
    Ok(visit.screen(&api, |frame| screens::audit::screen(frame, &page)))
}

pub(super) async fn config(
    State(api): ApiState,
    visit: Visit,
    query: Asked<ConfigQuery>,
    by: Extension<ApiCaller>,
) -> HandlerResult<Response> {
    let info = about::info(State(api.clone()), by.clone()).await.0;
    let config = api_config::show(State(api.clone()), query, by).await?.0;
    Ok(visit.screen(&api, |frame| screens::config::screen(frame, &info, &config)))
}
