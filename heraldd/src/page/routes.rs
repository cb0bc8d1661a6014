//! Every path of the page and who answers it.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use http::StatusCode;

use super::{acts, calendar, login, published, queues, screens, trial};
use crate::api::act::record_outcome;
use crate::api::answer::ErrorResponse;
use crate::api::check_role::check_role;
use crate::api::context::Api;
use crate::api::idempotency::form_once;

/// Whether the path is for everybody: the ways in, and the files of the page.
pub(super) fn is_open(path: &str) -> bool {
    path == "/login" || path.starts_with("/in/") || path.starts_with("/assets/")
}

/// What is for everybody.
pub(super) fn open(api: &Arc<Api>) -> Router {
    let router = Router::new()
        .route("/login", get(login::form).post(login::log_in))
        .route("/in/{secret}", get(login::link).post(login::use_link))
        .route("/assets/{version}/{name}", get(login::asset));
    answered(router, api)
}

/// The screens and acts; [`check_role`] is before each, by the table of rights.
pub(super) fn screens(api: &Arc<Api>) -> Router {
    let router = Router::new()
        .route("/", get(screens::now))
        .route("/jobs", get(screens::jobs))
        .route("/jobs/{id}", get(screens::job))
        .route("/jobs/{id}/cancel", post(acts::cancel))
        .route("/jobs/{id}/retry", post(acts::retry))
        .route("/events", get(screens::events))
        .route("/events/{id}", get(screens::event))
        .route("/events/{id}/replay", post(acts::replay))
        .route("/calendar", get(calendar::calendar))
        .route("/graph", get(screens::graph))
        .route("/routers", get(screens::routers))
        .route("/routers/{name}/pause", post(acts::pause))
        .route("/routers/{name}/resume", post(acts::resume))
        .route("/triggers/{name}", post(acts::fire))
        .route("/apps", get(screens::apps))
        .route("/apps/{app}", get(screens::app))
        .route("/apps/{app}/plan", get(screens::plan))
        .route("/apps/{app}/deploy", post(acts::deploy))
        .route("/apps/{app}/rollback", post(acts::rollback))
        .route("/apps/{app}/hold", post(acts::hold))
        .route("/apps/{app}/unhold", post(acts::unhold))
        .route("/nodes", get(screens::nodes))
        .route("/nodes/{name}", get(screens::node))
        .route("/nodes/{name}/drain", post(acts::drain))
        .route("/nodes/{name}/resume", post(acts::undrain))
        .route("/queues", get(queues::list))
        .route("/queues/{queue}/topics/{topic}", get(queues::topic))
        .route("/queues/{queue}/topics/{topic}/pause", post(queues::pause))
        .route("/queues/{queue}/topics/{topic}/resume", post(queues::resume))
        .route("/queues/{queue}/topics/{topic}/requeue", post(queues::requeue))
        .route("/published", get(published::list))
        .route("/published/{name}", get(published::project))
        .route("/published/{name}/diff", get(published::diff))
        .route("/published/{name}/publish", post(published::publish))
        .route("/boards", get(screens::boards))
        .route("/boards/{board}", get(screens::board))
        .route("/try", get(trial::form))
        .route("/try", post(trial::try_event))
        .route("/audit", get(screens::audit))
        .route("/config", get(screens::config))
        .route("/reload", post(acts::reload))
        .route("/account", get(login::account))
        .route("/account/end", post(acts::end_session))
        .route("/logout", post(login::log_out))
        .route_layer(middleware::from_fn_with_state(api.clone(), record_outcome))
        .route_layer(middleware::from_fn_with_state(api.clone(), form_once))
        .route_layer(middleware::from_fn_with_state(api.clone(), check_role));
    answered(router, api)
}

fn answered(router: Router<Arc<Api>>, api: &Arc<Api>) -> Router {
    router
        .fallback(|| async { ErrorResponse::new(StatusCode::NOT_FOUND, "there is nothing under this path") })
        .method_not_allowed_fallback(|| async {
            ErrorResponse::new(StatusCode::METHOD_NOT_ALLOWED, "this path knows other methods")
        })
        .with_state(api.clone())
}
