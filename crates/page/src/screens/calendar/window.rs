//! Which part of the calendar is shown, out of the address.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use crate::site::Site;

/// How much is shown at once, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarView {
    /// One day, with bars.
    Day,
    /// Seven days, hour by hour.
    Week,
    /// Whole weeks, day by day.
    Month,
    /// Two weeks, entry by entry.
    List,
}

impl CalendarView {
    /// Whether what one router ran, and how often one trigger is due, is counted by day; otherwise by hour.
    #[must_use]
    pub fn is_by_day(self) -> bool {
        matches!(self, Self::Month | Self::List)
    }
}

/// All views: the word in the address, and the name.
pub(super) const VIEWS: [(CalendarView, &str, &str); 4] = [
    (CalendarView::Day, "day", "Day"),
    (CalendarView::Week, "week", "Week"),
    (CalendarView::Month, "month", "Month"),
    (CalendarView::List, "list", "List"),
];

/// An address that means no part of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarWindowError {
    /// The view.
    #[error("view: expected day, week, month or list")]
    View,
    /// The date.
    #[error("from: expected a date from 1970 to 9000, such as 2026-11-23")]
    From,
    /// The time zone.
    #[error("zone: expected server, UTC, or the name of a time zone such as Europe/Berlin")]
    Zone,
}

/// Which part of the calendar is shown.
#[derive(Debug, Clone)]
pub struct CalendarWindow {
    /// In which form.
    pub view: CalendarView,
    /// Whether the reader chose no form: then a narrow screen has a list in place of the week.
    pub(super) is_automatic: bool,
    /// The zone of its days and hours.
    pub zone: TimeZone,
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// The name of the zone, where it is not the server's.
    pub(super) asked_zone: Option<String>,
    /// The first day of the day, week, month or list.
    pub(super) first: Date,
    /// The days that are shown.
    pub(super) days: Vec<Date>,
}

impl CalendarWindow {
    /// Reads `view`, `from` and `zone` of an address; what is missing is the week of today in the zone of the server.
    ///
    /// # Errors
    /// [`CalendarWindowError`]: one of them means nothing.
    pub fn read(
        view: Option<&str>,
        from: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
        server: &TimeZone,
    ) -> Result<Self, CalendarWindowError> {
        let is_automatic = view.is_none();
        let view = view.unwrap_or("week");
        let view = VIEWS.iter().find(|(_, word, _)| *word == view).ok_or(CalendarWindowError::View)?.0;
        let asked_zone = zone.filter(|zone| *zone != "server").map(str::to_owned);
        let zone = match asked_zone.as_deref() {
            None => server.clone(),
            Some("UTC") => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| CalendarWindowError::Zone)?,
        };
        let date = match from {
            Some(from) if from.len() == "2026-11-23".len() => {
                from.parse().map_err(|_| CalendarWindowError::From)?
            }
            Some(_) => return Err(CalendarWindowError::From),
            None => zone.to_datetime(now).date(),
        };
        let window = Self::around(view, date, zone, asked_zone).ok_or(CalendarWindowError::From)?;
        Ok(Self { is_automatic, ..window })
    }

    fn around(view: CalendarView, date: Date, zone: TimeZone, asked_zone: Option<String>) -> Option<Self> {
        if !(1970..=9000).contains(&date.year()) {
            return None;
        }
        let first = match view {
            CalendarView::Day | CalendarView::List => date,
            CalendarView::Week => monday_of(date)?,
            CalendarView::Month => date.first_of_month(),
        };
        let (begin, end) = match view {
            CalendarView::Day => (first, first.checked_add(1.day()).ok()?),
            CalendarView::Week => (first, first.checked_add(7.days()).ok()?),
            CalendarView::List => (first, first.checked_add(14.days()).ok()?),
            CalendarView::Month => {
                let last = first.last_of_month();
                (monday_of(first)?, monday_of(last)?.checked_add(7.days()).ok()?)
            }
        };
        let start = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
        let next = |date: &Date| date.tomorrow().ok().filter(|next| *next < end);
        let days = std::iter::successors(Some(begin), next).collect();
        let (from, until, is_automatic) = (start(begin)?, start(end)?, false);
        Some(Self { view, is_automatic, from, until, asked_zone, first, days, zone })
    }

    /// The first day of what comes before or after.
    pub(super) fn neighbour(&self, steps: i32) -> Option<Date> {
        let span: Span = match self.view {
            CalendarView::Day => steps.days(),
            CalendarView::Week => (7 * steps).days(),
            CalendarView::List => (14 * steps).days(),
            CalendarView::Month => steps.months(),
        };
        self.first.checked_add(span).ok()
    }

    /// The address of a part of the calendar in the same form and zone.
    pub(super) fn same(&self, site: &Site, from: Option<Date>) -> String {
        self.same_in(site, from, self.asked_zone.as_deref())
    }

    /// The same, in another zone.
    pub(super) fn same_in(&self, site: &Site, from: Option<Date>, zone: Option<&str>) -> String {
        let view = Some(self.view).filter(|_| !self.is_automatic);
        address(site, view, from, zone)
    }

    /// The address of a part of the calendar in the same zone.
    pub(super) fn address(&self, site: &Site, view: CalendarView, from: Option<Date>) -> String {
        address(site, Some(view), from, self.asked_zone.as_deref())
    }

    /// What is shown, in words.
    pub(super) fn title(&self) -> String {
        let last = self.days.last().copied().unwrap_or(self.first);
        match self.view {
            CalendarView::Day => self.first.strftime("%A, %-d %B %Y").to_string(),
            CalendarView::Month => self.first.strftime("%B %Y").to_string(),
            CalendarView::Week | CalendarView::List => {
                format!("{} – {}", self.first.strftime("%-d %B %Y"), last.strftime("%-d %B %Y"))
            }
        }
    }

    /// The name of the zone.
    pub(super) fn zone_name(&self) -> &str {
        self.asked_zone.as_deref().or_else(|| self.zone.iana_name()).unwrap_or("zone of the server")
    }
}

fn address(site: &Site, view: Option<CalendarView>, from: Option<Date>, zone: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some((_, word, _)) = VIEWS.iter().find(|(one, ..)| Some(*one) == view) {
        query.append_pair("view", word);
    }
    if let Some(from) = from {
        query.append_pair("from", &from.to_string());
    }
    if let Some(zone) = zone {
        query.append_pair("zone", zone);
    }
    format!("{}?{}", site.to("/calendar"), query.finish())
}

fn monday_of(date: Date) -> Option<Date> {
    let back = date.weekday().since(Weekday::Monday);
    date.checked_sub(i32::from(back).days()).ok()
}
