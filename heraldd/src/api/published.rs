//! Projects that are published from etcd: how they are, how they differ, publishing one now.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use herald_core::activation::{EventSink, Name, NewEvent};
use herald_core::job::Job;
use herald_core::param::Params;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::act::CommandAct;
use super::answer::{CommonErrors, Conflict, ErrorResponse, HandlerResult, Missing, TooManyRequests};
use super::context::Api;
use super::given::{Asked, Named};
use super::jobs::rejected;
use super::json::Json;
use super::resources;
use super::view::View;
use crate::executor::publish::publisher_of;
use crate::trigger::etcd::projects_of;
use herald_control::model;
use herald_projects::{PreviewError, ProjectState, PublishError, PublishedProject, Publisher};

/// A project with what publishes it.
struct FoundProject {
    executor: Name,
    project: PublishedProject,
}

/// All projects that are published.
async fn projects(view: &View) -> HandlerResult<Vec<FoundProject>> {
    let mut found: Vec<FoundProject> = Vec::new();
    for (executor, component) in &view.plan.executors {
        let Some(publisher) = publisher_of(&**component) else { continue };
        let projects = publisher.projects().await;
        let projects =
            projects.map_err(|error| ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error))?;
        for project in projects {
            // Executors of one etcd share their ledgers.
            if !found.iter().any(|other| other.project.keys == project.keys) {
                found.push(FoundProject { executor: executor.clone(), project });
            }
        }
    }
    found.sort_by(|one, other| one.project.keys.cmp(&other.project.keys));
    Ok(found)
}

/// The project of this name: `PROJECT`, or `HOST/PROJECT` where several hosts have it.
async fn named(view: &View, name: &str) -> HandlerResult<FoundProject> {
    let found = projects(view).await?;
    let is_it = |found: &&FoundProject| {
        let keys = &found.project.keys;
        keys.project == name || format!("{}/{}", keys.layout.host, keys.project) == name
    };
    let several: Vec<String> = found
        .iter()
        .filter(is_it)
        .map(|found| format!("{}/{}", found.project.keys.layout.host, found.project.keys.project))
        .collect();
    if several.len() > 1 {
        return Err(ErrorResponse::ambiguous("project", name, several));
    }
    let known: Vec<String> = found.iter().map(|found| found.project.keys.project.clone()).collect();
    if let Some(found) = found.into_iter().find(|found| is_it(&found)) {
        return Ok(found);
    }
    let unknown = || ErrorResponse::no_such("published project", name, known.iter().map(String::as_str));
    in_etcd(view, name).await?.ok_or_else(unknown)
}

fn publisher<'a>(view: &'a View, found: &FoundProject, name: &str) -> HandlerResult<&'a Publisher> {
    let executor = view.plan.executors.get(&found.executor);
    let publisher = executor.and_then(|executor| publisher_of(&**executor));
    publisher.ok_or_else(|| ErrorResponse::unknown("project", name))
}

/// A project that no event has named yet: etcd has it below the prefix of a trigger whose jobs publish.
async fn in_etcd(view: &View, name: &str) -> HandlerResult<Option<FoundProject>> {
    for route in view.plan.workflow.all() {
        let executor = view.plan.executors.get(&route.executor);
        let trigger = view.trigger_itself(&route.trigger).and_then(projects_of);
        let Some(trigger) = trigger.filter(|_| executor.is_some_and(|one| publisher_of(&**one).is_some()))
        else {
            continue;
        };
        let found = trigger.project(name).await;
        let found = found.map_err(|error| ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error))?;
        if let Some(keys) = found {
            let project = PublishedProject {
                keys,
                state: ProjectState::Pending,
                revision: 0,
                files: 0,
                error: None,
                published_at: None,
            };
            return Ok(Some(FoundProject { executor: route.executor.clone(), project }));
        }
    }
    Ok(None)
}

/// The states of all projects, for metrics.
pub(super) async fn states(view: &View) -> Vec<ProjectState> {
    let found = projects(view).await.unwrap_or_default();
    found.into_iter().map(|found| found.project.state).collect()
}

/// The projects that are published from etcd
#[utoipa::path(get, path = "/v1/published", tag = "configuration",
    responses((status = 200, description = "The projects.", body = model::PublishedList), CommonErrors))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> HandlerResult<Json<model::PublishedList>> {
    let found = projects(&api.view()).await?;
    Ok(Json(model::PublishedList {
        items: found.into_iter().map(|found| resources::published(found.project)).collect(),
    }))
}

/// What a publication of a project would change now; nothing is written
#[utoipa::path(get, path = "/v1/published/{name}/diff", tag = "configuration", params(("name" = String, Path, description = "The project.")),
    responses((status = 200, description = "The files that would change.", body = model::PublishedDiff), CommonErrors, Missing,
        (status = 409, description = "It would fail: `detail` says why. Or several hosts have this project: see `candidates`.", body = model::ProblemDetails, content_type = "application/problem+json")))]
pub(crate) async fn diff(
    State(api): State<Arc<Api>>,
    Named(name): Named,
) -> HandlerResult<Json<model::PublishedDiff>> {
    let view = api.view();
    let found = named(&view, &name).await?;
    let publisher = publisher(&view, &found, &name)?;
    let (keys, job) = (found.project.keys.clone(), job_of(&view, &found));
    let preview = publisher.preview(&job, &keys, &view.plan.mask).await.map_err(|error| match error {
        PreviewError::Etcd(error) => ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error),
        error => ErrorResponse::new(StatusCode::CONFLICT, error),
    })?;
    Ok(Json(resources::diff(&keys.project, preview)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PublishQuery {
    /// Write every file and run every command, also where nothing changed. A held project stays as it is.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
    /// Publish what etcd has, although it was wiped or restored from a backup.
    #[serde(default)]
    #[param(required = false)]
    accept: bool,
    /// Restore the state after this publication: the id of its job, a unique part of it, `last` or `last:ROUTER`.
    #[param(max_length = 100)]
    rollback: Option<String>,
    /// Why, in your own words: 500 characters at most. It is recorded. The header `Herald-Reason` does the same.
    #[expect(dead_code, reason = "described here, and read by `CommandAct`")]
    #[param(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    reason: Option<String>,
}

impl PublishQuery {
    /// Of a form: the fields that are there.
    pub(crate) fn of(fields: &BTreeMap<String, String>) -> Self {
        let [force, accept] = ["force", "accept"].map(|name| fields.contains_key(name));
        Self { force, accept, rollback: fields.get("rollback").cloned(), ..Self::default() }
    }
}

/// Publishes a project now
#[utoipa::path(post, path = "/v1/published/{name}", tag = "configuration",
    params(("name" = String, Path, description = "The project."), PublishQuery),
    responses((status = 200, description = "The event is recorded.", body = model::Activated), CommonErrors, Missing, Conflict, TooManyRequests))]
pub(crate) async fn publish(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<PublishQuery>,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<model::Activated>> {
    let view = api.view();
    let found = named(&view, &name).await?;
    let Some(trigger) = trigger_of(&view, &found) else {
        let why = format!("no router uses the executor \"{}\"", found.executor);
        return Err(ErrorResponse::new(StatusCode::CONFLICT, why));
    };
    let mut params = params_of(&found);
    params.insert("force".to_owned(), query.force.into());
    params.insert("accept".to_owned(), query.accept.into());
    if let Some(rollback) = query.rollback {
        let given = match rollback.split_once(':') {
            Some(("last", router)) if view.routers_of(&trigger).any(|own| own == router) => "last",
            _ => &rollback,
        };
        let kept = publisher(&view, &found, &name)?.kept(&found.project.keys, given).await;
        params.insert("rollback".to_owned(), kept.map_err(not_kept)?.into());
    }
    let by = act.begin(format!("project {name}"), view.routers_of(&trigger)).await?;
    match api.handle.accept_event(NewEvent { by: Some(by), ..NewEvent::new(trigger, params) }).await {
        Ok(event_id) => Ok(Json(model::Activated { event_id: event_id.to_string() })),
        Err(refused) => Err(rejected(&refused)),
    }
}

fn not_kept(error: PublishError) -> ErrorResponse {
    match error {
        PublishError::NotKept(why) => ErrorResponse::new(StatusCode::NOT_FOUND, why),
        PublishError::SeveralKept { part, ids } => ErrorResponse::ambiguous("publication", &part, ids),
        error => ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, error),
    }
}

/// The trigger whose events publish this project.
fn trigger_of(view: &View, found: &FoundProject) -> Option<Name> {
    let route = view.plan.workflow.all().find(|route| route.executor == found.executor);
    route.map(|route| route.trigger.clone())
}

/// A project, and the routers that publish it.
pub(crate) async fn one(api: &Api, name: &str) -> HandlerResult<(model::PublishedResource, Vec<String>)> {
    let view = api.view();
    let found = named(&view, name).await?;
    let trigger = trigger_of(&view, &found);
    let routers = trigger.iter().flat_map(|trigger| view.routers_of(trigger)).map(str::to_owned).collect();
    Ok((resources::published(found.project), routers))
}

/// The parameters of an event of this project.
fn params_of(found: &FoundProject) -> Params {
    let keys = &found.project.keys;
    let params = json!({
        "project": keys.project,
        "host": keys.layout.host,
        "prefix": keys.layout.prefix,
        "reason": "manual",
        "revision": found.project.revision,
        "changes": [],
    });
    match params {
        Value::Object(params) => params,
        _ => Params::new(),
    }
}

/// The job that would publish this project.
fn job_of(view: &View, found: &FoundProject) -> Job {
    let route = view.plan.workflow.all().find(|route| route.executor == found.executor);
    let name = |of: fn(&herald_core::workflow::Route) -> &Name| {
        route.map_or_else(|| Name::from(""), |route| of(route).clone())
    };
    Job {
        id: Name::from("preview"),
        trigger_id: Name::from("preview"),
        router: name(|route| &route.router),
        trigger: name(|route| &route.trigger),
        selector: name(|route| &route.selector),
        task: name(|route| &route.task),
        executor: found.executor.clone(),
        trigger_param: Arc::new(params_of(found).into()),
        select_param: Arc::default(),
        job_param: Arc::default(),
        chain_depth: 0,
        attempt: 1,
        by: None,
        rerun: false,
    }
}
