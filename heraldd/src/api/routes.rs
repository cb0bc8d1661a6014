//! Every path of the API and who answers it.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::act::record_outcome;
use super::answer::{CommonErrors, ErrorResponse};
use super::check_role::check_role;
use super::context::Api;
use super::idempotency::call_once;
use super::{
    about, apps, audit, boards, calendar, config, document, drains, event_list, events, graph, jobs, log,
    page_link, pauses, published, queues, results, sessions, stats, stream, trial,
};

/// All calls, with what the document says of them.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(document::head())
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::one))
        .routes(routes!(log::log))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(results::list))
        .routes(routes!(stats::show))
        .routes(routes!(boards::list))
        .routes(routes!(boards::one))
        .routes(routes!(event_list::list))
        .routes(routes!(events::one))
        .routes(routes!(events::replay))
        .routes(routes!(events::triggers))
        .routes(routes!(events::activate))
        .routes(routes!(trial::try_event))
        .routes(routes!(calendar::show))
        .routes(routes!(calendar::subscribe))
        .routes(routes!(graph::show))
        .routes(routes!(config::show))
        .routes(routes!(about::routers))
        .routes(routes!(about::executors))
        .routes(routes!(about::nodes))
        .routes(routes!(about::node))
        .routes(routes!(published::list))
        .routes(routes!(published::diff))
        .routes(routes!(published::publish))
        .routes(routes!(apps::list))
        .routes(routes!(apps::one))
        .routes(routes!(apps::commits))
        .routes(routes!(apps::plan))
        .routes(routes!(apps::deployments))
        .routes(routes!(apps::deploy))
        .routes(routes!(apps::rollback))
        .routes(routes!(apps::hold, apps::unhold))
        .routes(routes!(pauses::pause))
        .routes(routes!(pauses::resume))
        .routes(routes!(drains::drain))
        .routes(routes!(drains::resume))
        .routes(routes!(queues::list))
        .routes(routes!(queues::topic))
        .routes(routes!(queues::dead))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::requeue))
        .routes(routes!(queues::message))
        .routes(routes!(queues::forget))
        .routes(routes!(audit::list))
        .routes(routes!(about::info))
        .routes(routes!(about::reload))
        .routes(routes!(page_link::create))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(stream::stream))
        .routes(routes!(openapi_json))
        .routes(routes!(about::healthz))
        .routes(routes!(about::readyz))
        .routes(routes!(about::metrics))
}

/// The document: OpenAPI 3.1.
#[must_use]
pub fn openapi() -> OpenApi {
    document::complete(described().into_openapi())
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "daemon",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"), CommonErrors))]
async fn openapi_json() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    // Texts and maps: never fails.
    let text = TEXT.get_or_init(|| serde_json::to_string(&openapi()).unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// All calls. Their table is made for the first request: with it comes what the document says of each, which is most of
/// what a start without many routers would take, and many daemons are never asked.
pub(crate) struct ApiCalls {
    api: Arc<Api>,
    router: OnceLock<Router>,
}

impl ApiCalls {
    /// Those that are answered by this.
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self { api, router: OnceLock::new() }
    }

    /// What answers them.
    pub(crate) fn router(&self) -> &Router {
        self.router.get_or_init(|| served(self.api.clone()))
    }
}

/// All calls, answered by this.
pub(super) fn served(api: Arc<Api>) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route_layer(middleware::from_fn_with_state(api.clone(), record_outcome))
        .route_layer(middleware::from_fn_with_state(api.clone(), call_once))
        .route_layer(middleware::from_fn_with_state(api.clone(), check_role))
        .fallback(|| async { ErrorResponse::new(StatusCode::NOT_FOUND, "there is nothing under this path") })
        .method_not_allowed_fallback(|| async {
            ErrorResponse::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path knows other methods; `Allow` names them",
            )
        })
        .with_state(api)
}
