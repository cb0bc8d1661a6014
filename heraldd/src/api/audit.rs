//! The audit: who did what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use herald_control::model;
use herald_store::audit::{AuditEntry, AuditError, AuditQuery};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Only entries before this one: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    before: Option<String>,
    /// Only what this user did.
    #[param(max_length = 200)]
    user: Option<String>,
    /// Only this act: `cancel`, say.
    #[param(max_length = 50)]
    act: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl From<AuditError> for ErrorResponse {
    fn from(error: AuditError) -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

/// Who did what, and what was refused, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "daemon", params(AuditParams),
    responses((status = 200, description = "A page of acts.", body = model::Page<model::AuditResource>), CommonErrors))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<AuditParams>,
) -> HandlerResult<Json<model::Page<model::AuditResource>>> {
    let bad = |why: String| ErrorResponse::new(StatusCode::BAD_REQUEST, why);
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(bad(format!("limit: expected a number from 1 to {LARGEST_PAGE}")));
    }
    let before = query.before.map(|before| before.parse::<u64>()).transpose();
    let before = before.map_err(|_| bad("before: expected the next_cursor of an earlier page".to_owned()))?;
    let (user, act) = (query.user, query.act);
    let page = api.audit.entries(AuditQuery { before, user, act, limit }).await?;
    let next_cursor = page.next.map(|next| next.to_string());
    Ok(Json(model::Page { items: page.entries.into_iter().map(resource).collect(), next_cursor }))
}

fn resource(AuditEntry { id, record }: AuditEntry) -> model::AuditResource {
    let text = |name: herald_core::activation::Name| name.to_string();
    model::AuditResource {
        id: id.to_string(),
        at: record.at.to_string(),
        user: record.actor.user.map(text),
        via: text(record.actor.via),
        address: record.actor.address.map(text),
        act: record.act,
        target: record.target,
        outcome: if record.refused.is_some() { "refused" } else { "accepted" }.to_owned(),
        error: record.refused,
        reason: record.actor.reason.map(text),
    }
}
