//! The screen of the calendar.

use axum::extract::State;
use axum::response::Response;
use herald_overview::calendar::CalendarRange;
use herald_page::screens::calendar::{CalendarWindow, screen};
use herald_schedule::agenda::BucketSize;
use http::StatusCode;
use jiff::tz::TimeZone;

use super::visit::{ApiState, Visit};
use crate::api::answer::{ErrorResponse, HandlerResult};
use crate::api::calendar::gather;
use crate::api::given::Asked;

/// The most runs, and the most due times, of a screen.
const ENTRIES: usize = 2000;

#[derive(Default, serde::Deserialize)]
pub(super) struct CalendarAsked {
    view: Option<String>,
    from: Option<String>,
    zone: Option<String>,
}

pub(super) async fn calendar(
    State(api): ApiState,
    visit: Visit,
    Asked(CalendarAsked { view, from, zone }): Asked<CalendarAsked>,
) -> HandlerResult<Response> {
    let server = TimeZone::system();
    let window =
        CalendarWindow::read(view.as_deref(), from.as_deref(), zone.as_deref(), api.clock.now(), &server);
    let window = window.map_err(|error| ErrorResponse::new(StatusCode::BAD_REQUEST, error))?;
    let range = CalendarRange {
        from: window.from,
        until: window.until,
        zone: window.zone.clone(),
        size: Some(if window.view.is_by_day() { BucketSize::Day } else { BucketSize::Hour }),
        limit: ENTRIES,
    };
    let calendar = gather(&api, range).await?;
    Ok(visit.screen(&api, |frame| screen(frame, &window, &calendar)))
}
