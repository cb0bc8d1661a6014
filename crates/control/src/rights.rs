//! Which role each call of the API and each screen of the page needs.

use herald_access::{AuthenticatedCaller, Forbidden, Role};
use http::Method;

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallNeeds {
    /// The role everywhere.
    Everywhere(Role),
    /// The role on the routers or apps that the call is about: the handler names them to its act, or checks them.
    OnTarget(Role),
}

/// A call, and what it needs.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteRight {
    /// The method.
    pub method: Method,
    /// The path, with names in braces.
    pub path: &'static str,
    /// What it needs.
    pub needs: CallNeeds,
    /// Under which name it is recorded, where it does something.
    pub act: Option<&'static str>,
}

const fn sees(path: &'static str, role: Role) -> RouteRight {
    RouteRight { method: Method::GET, path, needs: CallNeeds::Everywhere(role), act: None }
}

const fn sees_on_target(path: &'static str) -> RouteRight {
    RouteRight { method: Method::GET, path, needs: ON_TARGET, act: None }
}

const fn does(act: &'static str, path: &'static str, needs: CallNeeds) -> RouteRight {
    RouteRight { method: Method::POST, path, needs, act: Some(act) }
}

const ON_TARGET: CallNeeds = CallNeeds::OnTarget(Role::Operator);
const VIEWER: CallNeeds = CallNeeds::Everywhere(Role::Viewer);
const OPERATOR: CallNeeds = CallNeeds::Everywhere(Role::Operator);
const ADMIN: CallNeeds = CallNeeds::Everywhere(Role::Admin);

/// Every call of the API. One that is missing here needs an admin.
pub static RIGHTS: &[RouteRight] = &[
    sees("/healthz", Role::Viewer),
    sees("/readyz", Role::Viewer),
    sees("/metrics", Role::Viewer),
    sees("/v1/openapi.json", Role::Viewer),
    sees("/v1/info", Role::Viewer),
    sees("/v1/stream", Role::Viewer),
    sees("/v1/jobs", Role::Viewer),
    sees("/v1/jobs/{id}", Role::Viewer),
    sees("/v1/jobs/{id}/log", Role::Viewer),
    sees("/v1/events", Role::Viewer),
    sees("/v1/events/{id}", Role::Viewer),
    sees("/v1/results", Role::Viewer),
    sees("/v1/stats", Role::Viewer),
    sees("/v1/boards", Role::Viewer),
    sees("/v1/boards/{board}", Role::Viewer),
    sees("/v1/triggers", Role::Viewer),
    sees("/v1/calendar", Role::Viewer),
    sees("/v1/calendar.ics", Role::Viewer),
    sees("/v1/graph", Role::Viewer),
    sees("/v1/config", Role::Viewer),
    sees("/v1/routers", Role::Viewer),
    sees("/v1/executors", Role::Viewer),
    sees("/v1/nodes", Role::Viewer),
    sees("/v1/nodes/{name}", Role::Viewer),
    sees("/v1/published", Role::Viewer),
    sees("/v1/published/{name}/diff", Role::Viewer),
    sees("/v1/apps", Role::Viewer),
    sees("/v1/apps/{app}", Role::Viewer),
    sees("/v1/apps/{app}/commits", Role::Viewer),
    sees("/v1/apps/{app}/deployments", Role::Viewer),
    // It changes nothing, and lets all nodes work.
    sees_on_target("/v1/apps/{app}/plan"),
    sees("/v1/queues", Role::Viewer),
    sees("/v1/queues/{queue}/topics/{topic}", Role::Viewer),
    sees("/v1/queues/{queue}/topics/{topic}/dead", Role::Viewer),
    sees("/v1/queue-messages/{id}", Role::Viewer),
    sees("/v1/audit", Role::Operator),
    does("cancel", "/v1/jobs/{id}/cancel", ON_TARGET),
    does("retry", "/v1/jobs/{id}/retry", ON_TARGET),
    does("replay", "/v1/events/{id}/replay", ON_TARGET),
    does("trigger", "/v1/triggers/{name}", ON_TARGET),
    // Nothing is done, but what is refused is recorded: it asks selectors, and shows parameters.
    does("try", "/v1/triggers/{name}/try", ON_TARGET),
    does("publish", "/v1/published/{name}", ON_TARGET),
    does("pause", "/v1/routers/{name}/pause", ON_TARGET),
    does("resume", "/v1/routers/{name}/resume", ON_TARGET),
    does("drain", "/v1/nodes/{name}/drain", OPERATOR),
    does("undrain", "/v1/nodes/{name}/resume", OPERATOR),
    does("deploy", "/v1/apps/{app}/deploy", ON_TARGET),
    does("rollback", "/v1/apps/{app}/rollback", ON_TARGET),
    does("hold", "/v1/apps/{app}/hold", ON_TARGET),
    RouteRight { method: Method::DELETE, path: "/v1/apps/{app}/hold", needs: ON_TARGET, act: Some("unhold") },
    does("queue_pause", "/v1/queues/{queue}/topics/{topic}/pause", OPERATOR),
    does("queue_resume", "/v1/queues/{queue}/topics/{topic}/resume", OPERATOR),
    does("queue_requeue", "/v1/queues/{queue}/topics/{topic}/requeue", OPERATOR),
    RouteRight {
        method: Method::DELETE,
        path: "/v1/queues/{queue}/nodes/{node}",
        needs: ADMIN,
        act: Some("queue_forget"),
    },
    does("reload", "/v1/reload", ADMIN),
    does("page_link", "/v1/page-link", ADMIN),
    sees("/v1/sessions", Role::Viewer),
    // One's own; those of others need an admin, which the handler checks.
    RouteRight { method: Method::DELETE, path: "/v1/sessions/{id}", needs: VIEWER, act: Some("end_session") },
];

/// Every screen and act of the page, which serves the calls of the API as well. What it serves to everybody, such as
/// the login, is not here.
pub static PAGE_RIGHTS: &[RouteRight] = &[
    sees("/", Role::Viewer),
    sees("/jobs", Role::Viewer),
    sees("/jobs/{id}", Role::Viewer),
    sees("/events", Role::Viewer),
    sees("/events/{id}", Role::Viewer),
    sees("/boards", Role::Viewer),
    sees("/boards/{board}", Role::Viewer),
    sees("/calendar", Role::Viewer),
    sees("/graph", Role::Viewer),
    sees("/routers", Role::Viewer),
    sees("/apps", Role::Viewer),
    sees("/apps/{app}", Role::Viewer),
    sees_on_target("/apps/{app}/plan"),
    sees("/nodes", Role::Viewer),
    sees("/nodes/{name}", Role::Viewer),
    sees("/queues", Role::Viewer),
    sees("/queues/{queue}/topics/{topic}", Role::Viewer),
    sees("/published", Role::Viewer),
    sees("/published/{name}", Role::Viewer),
    sees("/published/{name}/diff", Role::Viewer),
    sees("/config", Role::Viewer),
    sees("/account", Role::Viewer),
    sees("/audit", Role::Operator),
    sees_on_target("/try"),
    does("try", "/try", ON_TARGET),
    does("cancel", "/jobs/{id}/cancel", ON_TARGET),
    does("retry", "/jobs/{id}/retry", ON_TARGET),
    does("replay", "/events/{id}/replay", ON_TARGET),
    does("trigger", "/triggers/{name}", ON_TARGET),
    does("pause", "/routers/{name}/pause", ON_TARGET),
    does("resume", "/routers/{name}/resume", ON_TARGET),
    does("drain", "/nodes/{name}/drain", OPERATOR),
    does("undrain", "/nodes/{name}/resume", OPERATOR),
    does("deploy", "/apps/{app}/deploy", ON_TARGET),
    does("rollback", "/apps/{app}/rollback", ON_TARGET),
    does("hold", "/apps/{app}/hold", ON_TARGET),
    does("unhold", "/apps/{app}/unhold", ON_TARGET),
    does("queue_pause", "/queues/{queue}/topics/{topic}/pause", OPERATOR),
    does("queue_resume", "/queues/{queue}/topics/{topic}/resume", OPERATOR),
    does("queue_requeue", "/queues/{queue}/topics/{topic}/requeue", OPERATOR),
    does("publish", "/published/{name}/publish", ON_TARGET),
    does("reload", "/reload", ADMIN),
    // As for the call of the API.
    does("end_session", "/account/end", VIEWER),
    // Of the session that it is sent with.
    RouteRight { method: Method::POST, path: "/logout", needs: VIEWER, act: None },
];

/// What a call that is not in the table needs.
pub static UNKNOWN_CALL: RouteRight = does("unknown", "", ADMIN);

/// What the call needs.
#[must_use]
pub fn right_of(method: &Method, path: &str) -> &'static RouteRight {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut all = RIGHTS.iter().chain(PAGE_RIGHTS);
    all.find(|right| right.path == path && right.method == *method).unwrap_or(&UNKNOWN_CALL)
}

impl RouteRight {
    /// The role that it needs, everywhere or on a target.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.needs {
            CallNeeds::Everywhere(role) | CallNeeds::OnTarget(role) => role,
        }
    }

    /// Whether a request of it with an `Idempotency-Key` is carried out once. A trial does nothing, a link to log in
    /// must not be stored, and a session that has ended must not get a response.
    #[must_use]
    pub fn is_done_once(&self) -> bool {
        self.act.is_some_and(|act| !matches!(act, "try" | "page_link" | "end_session"))
    }

    /// That the caller has it.
    ///
    /// # Errors
    /// [`Forbidden`]: it does not.
    pub fn check(&self, caller: &AuthenticatedCaller) -> Result<(), Forbidden> {
        match self.needs {
            CallNeeds::Everywhere(role) => caller.require(role),
            CallNeeds::OnTarget(role) => caller.require_somewhere(role),
        }
    }
}
