//! Acts of the page: forms, each done by the function of the control API that does the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use herald_core::param::Params;
use herald_net::serve::read_whole;
use herald_page::elements::FORM_KEY;
use herald_page::request::MAX_FORM;
use herald_page::screens::node::FROM_NODE;
use http::StatusCode;
use serde_json::Value;

use super::visit::{ApiState, Visit};
use crate::api::act::{ApiAct, CommandAct, RequestAct};
use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::caller::ApiCaller;
use crate::api::context::Api;
use crate::api::drains;
use crate::api::events::ReplayQuery;
use crate::api::given::{Asked, Named, Object, unread};
use crate::api::id::{EventInPath, JobInPath};
use crate::api::pauses::{self, PauseQuery};
use crate::api::sessions::{self, CurrentSession};
use crate::api::{about, apps as api_apps, events as api_events, jobs as api_jobs};

/// How long a form may take.
const FORM_TIME: Duration = Duration::from_secs(30);

/// The fields of a form that have a value.
pub(super) type FormFields = BTreeMap<String, String>;

/// A form that asks for an act.
pub(super) struct ActForm {
    pub(super) act: ApiAct,
    pub(super) fields: FormFields,
}

/// The fields of the body.
pub(super) async fn fields_in(body: axum::body::Body) -> HandlerResult<FormFields> {
    let body = read_whole(body, MAX_FORM, FORM_TIME).await.map_err(|error| unread(&error))?;
    let pairs = form_urlencoded::parse(&body).filter(|(_, value)| !value.trim().is_empty());
    Ok(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}

impl FromRequest<Arc<Api>> for ActForm {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, api: &Arc<Api>) -> HandlerResult<Self> {
        let (parts, body) = request.into_parts();
        let mut fields = fields_in(body).await?;
        let reason = fields.remove("reason");
        fields.remove(FORM_KEY);
        Ok(Self { act: ApiAct::of(api, &parts, reason)?, fields })
    }
}

impl ActForm {
    /// The fields as a JSON object.
    fn object(fields: FormFields) -> Object {
        Object(fields.into_iter().map(|(key, value)| (key, Value::from(value))).collect())
    }
}

pub(super) async fn cancel(
    api: ApiState,
    visit: Visit,
    id: JobInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let (_, done) = api_jobs::cancel(api, id, CommandAct(form.act)).await?;
    Ok(visit.done("/jobs", &[&done.0.job_id], "cancel"))
}

pub(super) async fn retry(
    api: ApiState,
    visit: Visit,
    id: JobInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let (_, done) = api_jobs::retry(api, id, CommandAct(form.act)).await?;
    Ok(visit.done("/jobs", &[&done.0.job_id], "retry"))
}

pub(super) async fn replay(
    api: ApiState,
    visit: Visit,
    id: EventInPath,
    form: ActForm,
) -> HandlerResult<Response> {
    let query = ReplayQuery::for_run();
    let done = api_events::replay(api, id, Asked(query), CommandAct(form.act)).await?;
    Ok(visit.done("/events", &[done.0.event_id.as_deref().unwrap_or_default()], "replay"))
}

pub(super) async fn fire(api: ApiState, visit: Visit, name: Named, form: ActForm) -> HandlerResult<Response> {
    let params = match form.fields.get("params") {
        None => Params::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            ErrorResponse::new(
                StatusCode::BAD_REQUEST,
                format!("the parameters must be a JSON object: {error}"),
            )
        })?,
    };
    let done = api_events::activate(api, name, RequestAct(form.act), Object(params)).await?;
    Ok(visit.done("/events", &[&done.0.event_id], "trigger"))
}

pub(super) async fn pause(
    api: ApiState,
    visit: Visit,
    name: Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let query = PauseQuery { lasting: form.fields.get("for").cloned() };
    let _ = pauses::pause(api, name, Asked(query), CommandAct(form.act)).await?;
    Ok(visit.done("/routers", &[], "pause"))
}

pub(super) async fn resume(
    api: ApiState,
    visit: Visit,
    name: Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = pauses::resume(api, name, CommandAct(form.act)).await?;
    Ok(visit.done("/routers", &[], "resume"))
}

pub(super) async fn drain(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = drains::drain(api, Named(name.clone()), CommandAct(form.act)).await?;
    // Back to where the form was: the list of nodes, or the node.
    let steps: &[&str] = if form.fields.contains_key(FROM_NODE) { &[&name] } else { &[] };
    Ok(visit.done("/nodes", steps, "drain"))
}

pub(super) async fn undrain(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = drains::resume(api, Named(name.clone()), CommandAct(form.act)).await?;
    // Back to where the form was: the list of nodes, or the node.
    let steps: &[&str] = if form.fields.contains_key(FROM_NODE) { &[&name] } else { &[] };
    Ok(visit.done("/nodes", steps, "undrain"))
}

pub(super) async fn deploy(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let body = ActForm::object(form.fields);
    let _ = api_apps::deploy(api, Named(name.clone()), RequestAct(form.act), body).await?;
    Ok(visit.done("/apps", &[&name], "deploy"))
}

pub(super) async fn rollback(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let body = ActForm::object(form.fields);
    let _ = api_apps::rollback(api, Named(name.clone()), RequestAct(form.act), body).await?;
    Ok(visit.done("/apps", &[&name], "rollback"))
}

pub(super) async fn hold(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let mut fields = form.fields;
    // The call takes the reason in its body.
    fields.insert("reason".to_owned(), form.act.reason().unwrap_or_default().to_owned());
    let body = ActForm::object(fields);
    let _ = api_apps::hold(api, Named(name.clone()), RequestAct(form.act), body).await?;
    Ok(visit.done("/apps", &[&name], "hold"))
}

pub(super) async fn unhold(
    api: ApiState,
    visit: Visit,
    Named(name): Named,
    form: ActForm,
) -> HandlerResult<Response> {
    let _ = api_apps::unhold(api, Named(name.clone()), CommandAct(form.act)).await?;
    Ok(visit.done("/apps", &[&name], "unhold"))
}

pub(super) async fn reload(api: ApiState, visit: Visit, form: ActForm) -> HandlerResult<Response> {
    let _ = about::reload(api, CommandAct(form.act)).await?;
    Ok(visit.done("/config", &[], "reload"))
}

pub(super) async fn end_session(
    api: ApiState,
    visit: Visit,
    by: Extension<ApiCaller>,
    current: CurrentSession,
    form: ActForm,
) -> HandlerResult<Response> {
    let id = form.fields.get("session").cloned().unwrap_or_default();
    let _ = sessions::end(api, Named(id), by, current, CommandAct(form.act)).await?;
    Ok(visit.done("/account", &[], "end"))
}
