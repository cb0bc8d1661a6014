//! Which part of the calendar a query means.

use herald_schedule::agenda::BucketSize;
use herald_schedule::schedule::{CronError, time_zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

/// The longest range.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 62);
/// How long a range is, unless asked otherwise.
const RANGE: SignedDuration = SignedDuration::from_hours(24 * 7);
const SUBSCRIBED_RANGE: SignedDuration = SignedDuration::from_hours(24 * 31);
/// The most entries of each kind, unless asked otherwise, and at most.
const ENTRIES: usize = 1000;
const MOST_ENTRIES: usize = 5000;

/// Which part of the calendar.
#[derive(Debug, Clone)]
pub struct CalendarRange {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// In which hours and days begin.
    pub zone: TimeZone,
    /// What is counted together.
    pub size: Option<BucketSize>,
    /// The most entries of each kind.
    pub limit: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedBucket {
    None,
    Hour,
    Day,
}

/// The query of a calendar.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarQuery {
    /// Where the range begins: a time (RFC 3339), or a date, which begins at midnight in `zone`. Default: now.
    #[param(schema_with = time_or_date)]
    from: Option<String>,
    /// Where it ends, in the same form: at most 62 days later. Default: 7 days later.
    #[param(schema_with = time_or_date)]
    until: Option<String>,
    /// Counts what one router ran, and how often one trigger is due, within an `hour` or a `day` as one entry.
    #[param(schema_with = bucket)]
    bucket: Option<AskedBucket>,
    /// The IANA name of the time zone in which dates, hours and days begin. Default: UTC.
    zone: Option<String>,
    /// Maximum number of runs, and of due times: 1 to 5000, by default 1000.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// The query of what others subscribe to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubscriptionQuery {
    /// Where the range begins: a time (RFC 3339), or a date in UTC. Default: now.
    #[param(schema_with = time_or_date)]
    from: Option<String>,
    /// Where it ends, in the same form: at most 62 days later. Default: 31 days later.
    #[param(schema_with = time_or_date)]
    until: Option<String>,
}

fn time_or_date() -> Schema {
    let text = |format| {
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)))
    };
    Schema::AnyOf(AnyOfBuilder::new().item(text(KnownFormat::DateTime)).item(text(KnownFormat::Date)).build())
}

fn bucket() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    Schema::Object(text.enum_values(Some(["none", "hour", "day"])).build())
}

/// What is wrong with a query for a calendar.
#[derive(Debug, thiserror::Error)]
pub enum CalendarQueryError {
    /// A time that is none.
    #[error("{0}: expected a time such as 2026-11-24T12:00:00Z, or a date such as 2026-11-24")]
    Time(&'static str),
    /// A range that ends before it begins, or is too long.
    #[error("until: expected a later time than from, by at most 62 days")]
    Range,
    /// Too many entries, or none.
    #[error("limit: expected a number from 1 to {MOST_ENTRIES}")]
    Limit,
    /// No such time zone.
    #[error("zone: {0}")]
    Zone(#[from] CronError),
}

impl SubscriptionQuery {
    /// The range that it means: all of it, counted.
    ///
    /// # Errors
    /// [`CalendarQueryError`]: what is asked means nothing.
    pub fn read(self, now: Timestamp) -> Result<CalendarRange, CalendarQueryError> {
        let Self { from, until } = self;
        let (bucket, limit) = (Some(AskedBucket::Hour), Some(MOST_ENTRIES));
        CalendarQuery { from, until, bucket, limit, zone: None }.read_with(now, SUBSCRIBED_RANGE)
    }
}

impl CalendarQuery {
    /// The range that it means.
    ///
    /// # Errors
    /// [`CalendarQueryError`]: what is asked means nothing.
    pub fn read(self, now: Timestamp) -> Result<CalendarRange, CalendarQueryError> {
        self.read_with(now, RANGE)
    }

    fn read_with(self, now: Timestamp, usual: SignedDuration) -> Result<CalendarRange, CalendarQueryError> {
        let zone = self.zone.as_deref().map_or(Ok(TimeZone::UTC), time_zone)?;
        let time = |name, given: Option<String>| {
            given.map(|given| read_time(&given, &zone).ok_or(CalendarQueryError::Time(name))).transpose()
        };
        let from = time("from", self.from)?.unwrap_or(now);
        let until = match time("until", self.until)? {
            Some(until) => until,
            None => from.checked_add(usual).map_err(|_| CalendarQueryError::Range)?,
        };
        let length = until.duration_since(from);
        if length <= SignedDuration::ZERO || length > LONGEST {
            return Err(CalendarQueryError::Range);
        }
        let limit = self.limit.unwrap_or(ENTRIES);
        if !(1..=MOST_ENTRIES).contains(&limit) {
            return Err(CalendarQueryError::Limit);
        }
        let size = match self.bucket {
            None | Some(AskedBucket::None) => None,
            Some(AskedBucket::Hour) => Some(BucketSize::Hour),
            Some(AskedBucket::Day) => Some(BucketSize::Day),
        };
        Ok(CalendarRange { from, until, zone, size, limit })
    }
}

fn read_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // A longer text would be a time without an offset.
    let date = (text.len() == "2026-11-24".len()).then(|| text.parse::<Date>().ok()).flatten()?;
    Some(date.to_zoned(zone.clone()).ok()?.timestamp())
}
