//! What ran and what is due, in a range of time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use herald_control::model;
use herald_core::activation::Name;
use herald_core::trigger::Trigger;
use herald_overview::calendar::{
    self, CalendarQuery, CalendarQueryError, CalendarRange, CalendarSources, GatherError, SubscriptionQuery,
};
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::context::Api;
use super::given::Asked;
use super::json::Json;
use super::view::View;

impl From<CalendarQueryError> for ErrorResponse {
    fn from(error: CalendarQueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl From<GatherError> for ErrorResponse {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::History(error) => error.into(),
            GatherError::Thread(error) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        }
    }
}

impl CalendarSources for View {
    fn triggers(&self) -> Vec<(&Name, &dyn Trigger)> {
        self.triggers_themselves().collect()
    }

    fn routers_of(&self, trigger: &str) -> BTreeSet<&str> {
        self.routers_of(trigger).collect()
    }
}

/// What ran and what is due.
pub(crate) async fn gather(api: &Api, range: CalendarRange) -> HandlerResult<model::CalendarResource> {
    let (view, now) = (api.view(), api.clock.now());
    let mut found = calendar::gather(&*api.history, view.clone(), range, now).await?;
    let pauses = api.pauses.current(now).into_values().map(|pause| (pause.name, pause.until)).collect();
    calendar::add_pauses(&mut found, &*view, &pauses);
    Ok(found)
}

/// What ran and what is due: runs with their outcome, due times with the usual length of their jobs
#[utoipa::path(get, path = "/v1/calendar", tag = "events", params(CalendarQuery),
    responses((status = 200, description = "The calendar.", body = model::CalendarResource), CommonErrors))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<CalendarQuery>,
) -> HandlerResult<Json<model::CalendarResource>> {
    let range = query.read(api.clock.now())?;
    gather(&api, range).await.map(Json)
}

/// What is due, as iCalendar, for other calendars to subscribe to
///
/// Where a trigger is due more than once in an hour, that is one entry with the number; one entry for each day where it
/// is due more than about four times a day. Intervals are left out.
#[utoipa::path(get, path = "/v1/calendar.ics", tag = "events", params(SubscriptionQuery),
    responses((status = 200, description = "iCalendar (RFC 5545), times in UTC.", body = String, content_type = "text/calendar"), CommonErrors))]
pub(crate) async fn subscribe(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<SubscriptionQuery>,
) -> HandlerResult<Response> {
    let now = api.clock.now();
    let file = calendar::subscription(&*api.history, api.view(), query.read(now)?, now).await?;
    let headers = [
        (CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (CONTENT_DISPOSITION, "inline; filename=\"herald.ics\""),
    ];
    Ok((headers, file).into_response())
}

#[cfg(test)]
mod tests;
