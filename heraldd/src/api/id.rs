//! The job or event that a path names: by its id, by a part of it, or as the latest.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use herald_overview::history::typed_id;
use herald_store::history::{IdKind, IdLookup, WantedId};
use http::StatusCode;
use http::request::Parts;
use utoipa::IntoParams;

use super::answer::{ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Named;

/// The job of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct JobInPath {
    /// The job's id; or a beginning or end of it that no other job has, of 4 characters or more; or `last`, or
    /// `last:ROUTER`, for the newest one.
    pub(crate) id: String,
}

/// The event of a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct EventInPath {
    /// The event's id, or that of a job that it created; or a beginning or end of it that no other has, of 4 characters
    /// or more; or `last` for the newest one, or `last:ROUTER` for that of the router's newest job.
    pub(crate) id: String,
}

impl FromRequestParts<Arc<Api>> for JobInPath {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ErrorResponse> {
        let Named(text) = Named::from_request_parts(parts, api).await?;
        Ok(Self { id: whole_id(api, IdKind::Job, text).await? })
    }
}

impl FromRequestParts<Arc<Api>> for EventInPath {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ErrorResponse> {
        let Named(text) = Named::from_request_parts(parts, api).await?;
        Ok(Self { id: whole_id(api, IdKind::Event, text).await? })
    }
}

/// The whole id that is meant. What cannot be a part of an id stays as it is, and is unknown.
async fn whole_id(api: &Api, kind: IdKind, text: String) -> HandlerResult<String> {
    let what = typed_id::word(kind);
    let (wanted, router) = match typed_id::wanted(&text) {
        // A running job can be cancelled even while the history cannot be read.
        Some(WantedId::Part(part)) if part.is_whole() && kind == IdKind::Job => {
            return Ok(part.as_str().to_owned());
        }
        Some(wanted @ WantedId::Part(_)) => (wanted, None),
        Some(WantedId::Latest { router }) => (WantedId::Latest { router: router.clone() }, router),
        None if is_router(api, &text) => return Err(a_router(what, &text)),
        None => return Ok(text),
    };
    let found = api.history.ids(IdLookup { kind, wanted }).await?;
    match (found.as_slice(), router) {
        ([], Some(router)) => Err(without_jobs(api, &router)),
        ([], None) if is_router(api, &text) => Err(a_router(what, &text)),
        ([], None) => Err(ErrorResponse::unknown(what, &text)),
        ([one], _) => Ok(one.id.to_string()),
        (several, _) => {
            Err(ErrorResponse::ambiguous(what, &text, several.iter().map(typed_id::candidate).collect()))
        }
    }
}

/// The message that is meant: as the job of this server that put it; that of another server by its whole id.
pub(super) async fn message_id(api: &Api, text: String) -> HandlerResult<String> {
    match whole_id(api, IdKind::Job, text.clone()).await {
        Err(error) if error.status() == StatusCode::NOT_FOUND && !text.starts_with("last") => Ok(text),
        found => found,
    }
}

fn is_router(api: &Api, name: &str) -> bool {
    api.view().router_names().contains(name)
}

/// A router was named in place of an id.
fn a_router(what: &str, name: &str) -> ErrorResponse {
    let why =
        format!("there is no {what} \"{name}\", which is a router; write  last:{name}  for its newest job");
    ErrorResponse::new(StatusCode::NOT_FOUND, why)
}

/// No job of this router is known.
fn without_jobs(api: &Api, router: &str) -> ErrorResponse {
    let view = api.view();
    let known = view.router_names();
    if known.contains(router) {
        return ErrorResponse::new(StatusCode::NOT_FOUND, format!("the router \"{router}\" has no job yet"));
    }
    ErrorResponse::no_such("router", router, known)
}
