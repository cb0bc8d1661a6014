//! Applications: what is live, their commits, deployments and holds.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use herald_access::Role;
use herald_apps::{App, AppError, BookError, CommitQuery, DeploymentRequest, DeploymentWay};
use herald_core::activation::{APP, EventSink, Key, NewEvent};
use herald_core::param::Params;
use herald_core::unit;
use herald_core::watch::Watch;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use super::act::{ApiAct, CommandAct, RequestAct};
use super::answer::{BadBody, CommonErrors, ErrorResponse, HandlerResult, Missing, TooManyRequests};
use super::caller::{ApiCaller, ReasonQuery};
use super::context::Api;
use super::given::{Asked, Named, Object};
use super::jobs::rejected;
use super::json::Json;
use super::view::View;
use crate::app::{app_of, name_of};
use herald_control::model;
use herald_store::history::first_job;

/// How long a revision may take to be found out while somebody waits.
const LONGEST_RESOLVE: Duration = Duration::from_secs(10);
/// How long a key of a deployment is remembered.
const KEY_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// How long the job of a deployment is waited for.
const LONGEST_JOB: Duration = Duration::from_secs(5);
/// The most commits or deployments of a page.
const MOST: usize = 200;
/// The longest reason and key, in characters.
const LONGEST_TEXT: usize = 500;

impl From<BookError> for ErrorResponse {
    fn from(error: BookError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl From<AppError> for ErrorResponse {
    fn from(error: AppError) -> Self {
        use herald_apps::DeploymentRefusal as Refusal;
        match error {
            AppError::Book(error) => error.into(),
            AppError::Refused(refusal) => {
                let status = match &refusal {
                    Refusal::UnknownNode { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                    refusal if refusal.is_held() => StatusCode::LOCKED,
                    _ => StatusCode::CONFLICT,
                };
                Self::new(status, refusal)
            }
            AppError::Revision(error) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error),
        }
    }
}

fn bad(why: impl std::fmt::Display) -> ErrorResponse {
    ErrorResponse::new(StatusCode::BAD_REQUEST, why)
}

/// The same as the API shows it.
fn shown<T: DeserializeOwned>(value: &impl Serialize) -> HandlerResult<T> {
    let shown = serde_json::to_value(value).and_then(serde_json::from_value);
    shown.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}

/// All applications, by name.
pub(crate) fn all(view: &View) -> Vec<&App> {
    let mut all: Vec<&App> =
        view.plan.executors.values().filter_map(|executor| app_of(&**executor)).collect();
    all.sort_by(|one, other| one.settings().name.cmp(&other.settings().name));
    all
}

/// How the nodes of all applications are, for metrics.
pub(crate) async fn show_metrics(api: &Api) {
    let view = api.view();
    let mut states = Vec::new();
    for app in all(&view) {
        // What is not known is not shown.
        let nodes = app.view().await.map(|view| view.nodes).unwrap_or_default();
        states.extend(nodes.values().map(|node| (app.settings().name.as_str(), node.state.as_str())));
    }
    api.metrics.apps.show(states);
}

fn named<'a>(view: &'a View, name: &str) -> HandlerResult<&'a App> {
    let all = all(view);
    let unknown = || ErrorResponse::no_such("application", name, all.iter().map(|app| &*app.settings().name));
    all.iter().find(|app| app.settings().name == name).copied().ok_or_else(unknown)
}

/// The applications, and what is live on their nodes
#[utoipa::path(get, path = "/v1/apps", tag = "apps",
    responses((status = 200, description = "The applications.", body = model::AppList), CommonErrors))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> HandlerResult<Json<model::AppList>> {
    let view = api.view();
    let mut items = Vec::new();
    for app in all(&view) {
        items.push(shown(&app.view().await?)?);
    }
    Ok(Json(model::AppList { items }))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AppQuery {
    /// Ask the nodes now.
    #[serde(default)]
    #[param(required = false)]
    refresh: bool,
}

/// An application, and what is live on its nodes
#[utoipa::path(get, path = "/v1/apps/{app}", tag = "apps", params(("app" = String, Path, description = "The application."), AppQuery),
    responses((status = 200, description = "The application.", body = model::AppResource), CommonErrors, Missing))]
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<AppQuery>,
) -> HandlerResult<Json<model::AppResource>> {
    let view = api.view();
    let app = named(&view, &name)?;
    if query.refresh {
        let nodes: Vec<String> = app.settings().nodes.iter().map(|node| node.name.clone()).collect();
        // The monitor, which fires the trigger, sees the changes again.
        app.look_without_news(&nodes).await?;
    }
    Ok(Json(shown(&app.view().await?)?))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommitsQuery {
    /// How many at most: 1 to 200, by default 20.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<usize>,
    /// This commit and what it descends from: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-f]{1,64}$")]
    pub(crate) before: Option<String>,
    /// Only commits whose author, message or revision has this text.
    #[param(max_length = 200)]
    pub(crate) search: Option<String>,
    /// Only those that are newer than what is live.
    #[serde(default)]
    #[param(required = false)]
    pub(crate) pending: bool,
}

/// A page may have so many entries.
fn limit(given: Option<usize>, default: usize) -> HandlerResult<usize> {
    match given.unwrap_or(default) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(bad(format!("limit: expected 1 to {MOST}"))),
    }
}

/// The commits of the branch that is deployed, the newest first
#[utoipa::path(get, path = "/v1/apps/{app}/commits", tag = "apps", params(("app" = String, Path, description = "The application."), CommitsQuery),
    responses((status = 200, description = "The commits.", body = model::Page<model::CommitResource>), CommonErrors, Missing,
        (status = 422, description = "The repository cannot be asked: `detail` says why.", body = model::ProblemDetails, content_type = "application/problem+json")))]
pub(crate) async fn commits(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<CommitsQuery>,
) -> HandlerResult<Json<model::Page<model::CommitResource>>> {
    let view = api.view();
    let CommitsQuery { before, search, pending, .. } = query;
    let query = CommitQuery { limit: limit(query.limit, 20)?, before, search, pending };
    Ok(Json(shown(&named(&view, &name)?.commits(&query).await?)?))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanQuery {
    /// What would be deployed; by default `revision` of the application.
    #[param(max_length = 250)]
    revision: Option<String>,
    /// `deploy` or `rollback`.
    #[param(pattern = "^(deploy|rollback)$")]
    action: Option<String>,
    /// The nodes, separated by commas; by default all.
    #[param(max_length = 4_000)]
    nodes: Option<String>,
}

/// What a deployment would do; nothing is changed
#[utoipa::path(get, path = "/v1/apps/{app}/plan", tag = "apps", params(("app" = String, Path, description = "The application."), PlanQuery),
    responses((status = 200, description = "What it would do, and what speaks against it.", body = model::AppPlanResource), CommonErrors, Missing,
        (status = 409, description = "There is nothing to roll back to.", body = model::ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "There is no such revision or node.", body = model::ProblemDetails, content_type = "application/problem+json")))]
pub(crate) async fn plan(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<PlanQuery>,
    Extension(by): Extension<ApiCaller>,
) -> HandlerResult<Json<model::AppPlanResource>> {
    by.caller.may(Role::Operator, &name)?;
    let view = api.view();
    let app = named(&view, &name)?;
    let mut params = Params::new();
    let nodes =
        query.nodes.map(|nodes| nodes.split(',').map(|name| name.trim().into()).collect::<Vec<Value>>());
    let given = [
        ("revision", query.revision.map(Value::from)),
        ("action", query.action.map(Value::from)),
        ("nodes", nodes.map(Value::from)),
    ];
    params.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    let id = format!("plan-{name}-{}", api.clock.now().as_microsecond());
    let request = DeploymentRequest::read(&id, 1, &params).map_err(bad)?;
    let stop = herald_core::executor::Stop::new();
    Ok(Json(shown(&app.plan(&request, &stop).await?)?))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeploymentsQuery {
    /// How many at most: 1 to 200, by default 50.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<usize>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(max_length = 100)]
    cursor: Option<String>,
}

/// The deployments of an application, the newest first
#[utoipa::path(get, path = "/v1/apps/{app}/deployments", tag = "apps",
    params(("app" = String, Path, description = "The application."), DeploymentsQuery),
    responses((status = 200, description = "The deployments.", body = model::Page<model::DeploymentResource>), CommonErrors, Missing))]
pub(crate) async fn deployments(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    Asked(query): Asked<DeploymentsQuery>,
) -> HandlerResult<Json<model::Page<model::DeploymentResource>>> {
    let view = api.view();
    let limit = limit(query.limit, 50)?;
    let book = named(&view, &name)?.book().await?;
    let mut records = book.deployments.iter().rev().peekable();
    if let Some(cursor) = &query.cursor {
        while records.next_if(|record| record.id != *cursor).is_some() {}
        if records.next().is_none() {
            return Err(bad("cursor: it is not one of this list, or too old"));
        }
    }
    let items =
        records.by_ref().take(limit).map(shown).collect::<HandlerResult<Vec<model::DeploymentResource>>>()?;
    let next_cursor = records.peek().and(items.last()).map(|last| last.id.clone());
    Ok(Json(model::Page { items, next_cursor }))
}

/// Deploys an application
#[utoipa::path(post, path = "/v1/apps/{app}/deploy", tag = "apps", params(("app" = String, Path, description = "The application."), ReasonQuery),
    request_body(content = Option<model::DeploymentWanted>, description = "What is deployed; nothing is the newest revision on all nodes."),
    responses((status = 202, description = "The event is recorded; its job deploys.", body = model::DeploymentAccepted), CommonErrors, Missing, TooManyRequests, BadBody,
        (status = 409, description = "Another revision is live than `if_live` says, or another deployment is under way.", body = model::ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "There is no such revision or node.", body = model::ProblemDetails, content_type = "application/problem+json"),
        (status = 423, description = "The application is held or frozen.", body = model::ProblemDetails, content_type = "application/problem+json")))]
pub(crate) async fn deploy(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    RequestAct(act): RequestAct,
    Object(body): Object,
) -> HandlerResult<(StatusCode, Json<model::DeploymentAccepted>)> {
    begin(&api, &name, act, body, DeploymentWay::Deploy).await
}

/// Rolls an application back
#[utoipa::path(post, path = "/v1/apps/{app}/rollback", tag = "apps", params(("app" = String, Path, description = "The application."), ReasonQuery),
    request_body(content = Option<model::DeploymentWanted>, description = "Where to; nothing is the last deployment that was good on all its nodes."),
    responses((status = 202, description = "The event is recorded; its job deploys.", body = model::DeploymentAccepted), CommonErrors, Missing, TooManyRequests, BadBody,
        (status = 409, description = "There is nothing to go back to, another revision is live than `if_live` says, or another deployment is under way.", body = model::ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "There is no such revision or node.", body = model::ProblemDetails, content_type = "application/problem+json"),
        (status = 423, description = "The application is held.", body = model::ProblemDetails, content_type = "application/problem+json")))]
pub(crate) async fn rollback(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    RequestAct(act): RequestAct,
    Object(body): Object,
) -> HandlerResult<(StatusCode, Json<model::DeploymentAccepted>)> {
    begin(&api, &name, act, body, DeploymentWay::Rollback).await
}

async fn begin(
    api: &Api,
    name: &str,
    act: ApiAct,
    body: Params,
    action: DeploymentWay,
) -> HandlerResult<(StatusCode, Json<model::DeploymentAccepted>)> {
    let view = api.view();
    let app = named(&view, name)?;
    let wanted: model::DeploymentWanted = serde_json::from_value(Value::Object(body)).map_err(bad)?;
    checked(&wanted)?;
    let reason = wanted.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let act = act.because(reason);
    let what = format!("app {name}{}", if wanted.overrides { ", override" } else { "" });
    let by = match wanted.overrides {
        true => act.begin_as(Role::Admin, what, [name]).await?,
        false => act.begin(what, [name]).await?,
    };
    if wanted.overrides && by.reason.is_none() {
        return Err(bad("override: it needs a reason"));
    }
    let key = wanted.key.clone();
    let mut params = match serde_json::to_value(&wanted) {
        Ok(Value::Object(params)) => params,
        _ => Params::new(),
    };
    params.shift_remove("key");
    params.insert("reason".to_owned(), by.reason.as_deref().into());
    params.insert("action".to_owned(), action.as_str().into());
    let request = DeploymentRequest::read("new", 1, &params).map_err(bad)?;
    let revision = match app.accepts(&request, LONGEST_RESOLVE).await {
        Ok(revision) => Some(revision),
        // The first copy of a large repository takes its time: the job finds it out.
        Err(error) if error.is_timeout() => None,
        Err(error) => return Err(error.into()),
    };
    params.insert("app".to_owned(), name.into());
    if let Some(revision) = &revision {
        params.insert("revision".to_owned(), revision.clone().into());
    }
    let watch = Watch::new();
    let key = key.map(|key| Key { name: format!("{APP}/{name}/{key}").into(), window: KEY_WINDOW });
    let event =
        NewEvent { by: Some(by), key, watch: Some(watch.clone()), ..NewEvent::new(APP.into(), params) };
    let event_id = api.handle.accept_event(event).await.map_err(|refused| rejected(&refused))?;
    let job_id = first_job(&*api.history, &watch, &event_id, LONGEST_JOB).await.map(|id| id.to_string());
    let accepted = model::DeploymentAccepted { event_id: event_id.to_string(), job_id, revision };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn checked(wanted: &model::DeploymentWanted) -> HandlerResult<()> {
    for (name, text) in [("reason", &wanted.reason), ("key", &wanted.key)] {
        let text = text.as_deref().unwrap_or_default();
        if text.chars().count() > LONGEST_TEXT || text.contains(char::is_control) {
            return Err(bad(format!("{name}: expected one line of at most {LONGEST_TEXT} characters")));
        }
    }
    Ok(())
}

/// Holds an application: nothing is deployed until the hold ends
#[utoipa::path(post, path = "/v1/apps/{app}/hold", tag = "apps", params(("app" = String, Path, description = "The application."), ReasonQuery),
    request_body(content = model::HoldWanted, description = "Why, and for how long."),
    responses((status = 200, description = "It is held.", body = model::HoldResource), CommonErrors, Missing, BadBody))]
pub(crate) async fn hold(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    RequestAct(act): RequestAct,
    Object(body): Object,
) -> HandlerResult<Json<model::HoldResource>> {
    let view = api.view();
    let app = named(&view, &name)?;
    let wanted: model::HoldWanted = serde_json::from_value(Value::Object(body)).map_err(bad)?;
    let reason = wanted.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_TEXT || reason.contains(char::is_control) {
        return Err(bad("reason: expected one line, and not an empty one"));
    }
    let lasting = wanted.lasting.map(|lasting| unit::duration(&lasting.into())).transpose();
    let lasting = lasting.map_err(|error| bad(format!("for: {error}")))?;
    let by = act.because(Some(reason)).begin(format!("app {name}"), [&*name]).await?;
    Ok(Json(shown(&app.hold(&name_of(Some(&by)), reason, lasting).await?)?))
}

/// Ends the hold of an application
#[utoipa::path(delete, path = "/v1/apps/{app}/hold", tag = "apps", params(("app" = String, Path, description = "The application."), ReasonQuery),
    responses((status = 200, description = "The hold that was; null where there was none.", body = Option<model::HoldResource>), CommonErrors, Missing))]
pub(crate) async fn unhold(
    State(api): State<Arc<Api>>,
    Named(name): Named,
    CommandAct(act): CommandAct,
) -> HandlerResult<Json<Option<model::HoldResource>>> {
    let view = api.view();
    let app = named(&view, &name)?;
    act.begin(format!("app {name}"), [&*name]).await?;
    Ok(Json(shown(&app.unhold().await?)?))
}
