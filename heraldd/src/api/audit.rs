//! The audit: who did what.

use std::sync::Arc;

use axum::extract::State;
use herald_control::model;
use herald_overview::audit::{self, AuditParams};
use herald_store::audit::AuditError;
use http::StatusCode;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;
use super::json::Json;

impl From<AuditError> for ErrorResponse {
    fn from(error: AuditError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// Who did what, and what was refused or had no effect, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "daemon", params(AuditParams),
    responses((status = 200, description = "A page of acts.", body = model::Page<model::AuditResource>), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<AuditParams>,
) -> HandlerResult<Json<model::Page<model::AuditResource>>> {
    let query = query.read().map_err(|error| ErrorResponse::new(StatusCode::BAD_REQUEST, error))?;
    Ok(Json(audit::page(api.audit.entries(query).await?)))
}
