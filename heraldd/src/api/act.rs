//! Acts: what somebody does through the API. Each is allowed, recorded, and only then done.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use herald_access::{AuthenticatedCaller, Forbidden, Role, Via};
use herald_core::actor::Actor;
use herald_store::audit::{AuditRecord, RequestedActs};
use http::StatusCode;
use http::request::Parts;

use super::answer::{ErrorResponse, HandlerResult};
use super::caller::{self, ApiCaller};
use super::context::Api;
use herald_control::model::ProblemDetails;
use herald_control::rights::RouteRight;

/// Begins the name of the router of an application.
const APP_ROUTER: &str = "app:";
/// The longest target that is recorded, in characters.
const LONGEST_TARGET: usize = 300;

/// An act that was asked for. [`Self::begin`] is the only way to the `by` that events and jobs need.
pub(crate) struct ApiAct {
    api: Arc<Api>,
    right: &'static RouteRight,
    caller: Arc<AuthenticatedCaller>,
    by: Actor,
    path: String,
    recorded: RequestedActs,
}

/// For a request whose body is something else than a reason.
pub(crate) struct RequestAct(pub(crate) ApiAct);

/// For a request whose body may be `{"reason": "…"}`.
pub(crate) struct CommandAct(pub(crate) ApiAct);

impl FromRequestParts<Arc<Api>> for RequestAct {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ErrorResponse> {
        let reason = caller::given(parts)?;
        ApiAct::of(api, parts, reason).map(Self)
    }
}

impl FromRequest<Arc<Api>> for CommandAct {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ErrorResponse> {
        let (parts, body) = request.into_parts();
        let mut reason = caller::given(&parts)?;
        if reason.is_none() {
            reason = caller::reason_in(body).await?;
        }
        ApiAct::of(api, &parts, reason).map(Self)
    }
}

impl From<Forbidden> for ErrorResponse {
    fn from(forbidden: Forbidden) -> Self {
        Self::new(StatusCode::FORBIDDEN, forbidden)
    }
}

impl ApiAct {
    /// Of a request whose reason was read.
    pub(crate) fn of(api: &Arc<Api>, parts: &Parts, reason: Option<String>) -> Result<Self, ErrorResponse> {
        let missing = || ErrorResponse::new(StatusCode::UNAUTHORIZED, "the caller is not known");
        let caller = parts.extensions.get::<ApiCaller>().ok_or_else(missing)?;
        let right = parts.extensions.get::<&'static RouteRight>().copied().ok_or_else(missing)?;
        let by = caller::actor(caller, &parts.headers, reason)?;
        let path = parts.uri.path().to_owned();
        let recorded = parts.extensions.get::<RequestedActs>().cloned().unwrap_or_default();
        Ok(Self { api: api.clone(), right, caller: caller.caller.clone(), by, path, recorded })
    }

    /// The same, for this reason, where one is given.
    pub(crate) fn because(mut self, reason: Option<&str>) -> Self {
        if let Some(reason) = reason {
            self.by.reason = Some(reason.into());
        }
        self
    }

    /// Why, in the person's own words.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.by.reason.as_deref()
    }

    /// Whether it came over the control socket.
    pub(crate) fn is_of_socket(&self) -> bool {
        self.caller.via == Via::Socket
    }

    /// Whether it depends on the target what the caller may do.
    pub(crate) fn is_limited(&self) -> bool {
        self.caller.role() < self.right.role()
    }

    /// Records the act on this target, which concerns these routers or apps, and gives who it is by. Afterwards it is
    /// to be done.
    ///
    /// # Errors
    /// 403: the caller must not do that, which is recorded as well. 503: it cannot be recorded.
    pub(crate) async fn begin<'a>(
        self,
        target: String,
        on: impl IntoIterator<Item = &'a str>,
    ) -> HandlerResult<Arc<Actor>> {
        let role = self.right.role();
        self.begin_as(role, target, on).await
    }

    /// As [`Self::begin`], for those who have this role: an admin who overrides what holds others up, say.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn begin_as<'a>(
        self,
        role: Role,
        target: String,
        on: impl IntoIterator<Item = &'a str>,
    ) -> HandlerResult<Arc<Actor>> {
        let allowed = self.allowed(role, on);
        self.recorded(target, allowed).await
    }

    /// That the caller may do it, where it is shown what it would do: nothing is recorded but that it is refused.
    ///
    /// # Errors
    /// As of [`Self::begin`].
    pub(crate) async fn rehearse<'a>(
        self,
        target: String,
        on: impl IntoIterator<Item = &'a str>,
    ) -> HandlerResult<()> {
        match self.allowed(self.right.role(), on) {
            Ok(()) => Ok(()),
            refused => self.recorded(target, refused).await.map(drop),
        }
    }

    fn allowed<'a>(&self, role: Role, on: impl IntoIterator<Item = &'a str>) -> Result<(), Forbidden> {
        let on = rights_of(on);
        // Of nothing at all, who has the role on some names alone may do nothing either.
        if on.is_empty() { self.caller.require(role) } else { self.caller.may_all(role, on) }
    }

    /// As [`Self::begin`], of something that is neither a router nor an app.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn begin_everywhere(self, target: String) -> HandlerResult<Arc<Actor>> {
        let allowed = self.caller.require(self.right.role());
        self.recorded(target, allowed).await
    }

    /// Records where it would have done something that the caller's role does not allow it at all, and says so.
    pub(crate) async fn refused(self, why: Forbidden) -> ErrorResponse {
        let Some(act) = self.right.act else { return ErrorResponse::new(StatusCode::FORBIDDEN, why) };
        match record(&self.api, self.by, act, self.path, Some(why.to_string())).await {
            Ok(_) => ErrorResponse::new(StatusCode::FORBIDDEN, why),
            Err(error) => error,
        }
    }

    async fn recorded(self, target: String, allowed: Result<(), Forbidden>) -> HandlerResult<Arc<Actor>> {
        let act = self.right.act.unwrap_or(self.right.path);
        let refused = allowed.as_ref().err().map(ToString::to_string);
        let id = record(&self.api, self.by.clone(), act, target, refused).await?;
        allowed?;
        self.recorded.add(id);
        Ok(Arc::new(self.by))
    }
}

/// After every act: one that was recorded and came to nothing is marked so in the audit.
pub(crate) async fn record_outcome(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let acts = RequestedActs::default();
    request.extensions_mut().insert(acts.clone());
    let response = next.run(request).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let problem = response.extensions().get::<ProblemDetails>();
        let why = problem.map_or_else(|| response.status().to_string(), |problem| problem.detail.clone());
        let why = api.view().plan.mask.text(&why.chars().take(LONGEST_TARGET).collect::<String>());
        acts.fail(&*api.audit, &why).await;
    }
    response
}

/// Whose rights count for these routers and apps: the router of an application is under those of the application.
fn rights_of<'a>(on: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    on.into_iter().map(|name| name.strip_prefix(APP_ROUTER).unwrap_or(name)).collect()
}

/// Records that somebody did something, or was not allowed to.
///
/// # Errors
/// 503: it cannot be recorded, and must not be done.
pub(crate) async fn record(
    api: &Api,
    by: Actor,
    act: &str,
    target: String,
    refused: Option<String>,
) -> HandlerResult<u64> {
    let mask = &api.view().plan.mask;
    let record = AuditRecord {
        at: api.clock.now(),
        actor: by.masked(mask),
        act: act.to_owned(),
        target: mask.text(&target.chars().take(LONGEST_TARGET).collect::<String>()),
        refused,
        failed: None,
    };
    let user = record.actor.user.as_deref();
    match &record.refused {
        Some(why) => tracing::warn!(user, via = &*by.via, act, target = record.target, "act refused: {why}"),
        None => tracing::info!(user, via = &*by.via, act, target = record.target, "act accepted"),
    }
    api.audit.record(record).await.map_err(|error| {
        tracing::error!("{error}; nothing is done that cannot be recorded");
        ErrorResponse::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "this cannot be recorded at the moment, so it is not done; the log says why",
        )
    })
}
