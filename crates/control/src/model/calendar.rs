//! What ran and what is due, in a range of time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What ran and what is due.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Calendar)]
pub struct CalendarResource {
    /// Where the range begins.
    #[schema(format = DateTime)]
    pub from: String,
    /// Where it ends.
    #[schema(format = DateTime)]
    pub until: String,
    /// What has been until now ran, what comes is due.
    #[schema(format = DateTime)]
    pub now: String,
    /// What ran, oldest first.
    pub runs: Vec<CalendarRuns>,
    /// Runs before this time are left out, since there are too many; null where all are here.
    #[schema(format = DateTime)]
    pub runs_since: Option<String>,
    /// What is due, in order.
    pub due: Vec<CalendarDue>,
    /// Due times from here on are left out, since there are too many; null where all are here.
    #[schema(format = DateTime)]
    pub due_until: Option<String>,
    /// The triggers that are due.
    pub schedules: Vec<CalendarSchedule>,
    /// When clocks go forward or back, in the zones of the schedules and of the calendar.
    pub clock_changes: Vec<ClockChangeResource>,
}

/// Jobs of one router that were created in one bucket; without buckets, one job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CalendarRuns {
    /// Router name.
    pub router: String,
    /// When the first was created.
    #[schema(format = DateTime)]
    pub first: String,
    /// When the last was created.
    #[schema(format = DateTime)]
    pub last: String,
    /// How many there are.
    pub count: u64,
    /// How many there are of each status.
    pub outcomes: BTreeMap<String, u64>,
    /// The last of them.
    pub job_id: String,
    /// When the last of them started; null before.
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When the last of them ended; null before.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// When the last of them was due, where it was caught up with later.
    #[schema(format = DateTime)]
    pub caught_up: Option<String>,
}

/// Due times of one trigger in one bucket; without buckets, one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalendarDue {
    /// Trigger name.
    pub trigger: String,
    /// The first time.
    #[schema(format = DateTime)]
    pub first: String,
    /// How many there are.
    pub count: u64,
    /// What is unusual about it: a change of the clocks moves it, say; null mostly.
    pub remark: Option<String>,
}

/// A trigger that is due.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CalendarSchedule {
    /// Its name.
    pub trigger: String,
    /// Its cron line; null where it fires every so often.
    pub cron: Option<String>,
    /// The time zone that the line is read in; null where it fires every so often.
    pub zone: Option<String>,
    /// The seconds between two of its events, where it fires every so often.
    pub every_seconds: Option<f64>,
    /// Its routers by name, at most ten.
    pub routers: Vec<String>,
    /// How many routers it has.
    pub router_count: u64,
    /// The seconds that the slowest of these routers usually takes: the median of its last successful jobs; null where
    /// none succeeded.
    pub usual_seconds: Option<f64>,
    /// Whether the clock was set back, and times come again that do not fire twice.
    pub waits_for_clock: bool,
    /// Those of its routers that are paused, at most ten: their jobs wait.
    #[serde(default)]
    pub paused: Vec<CalendarPause>,
}

/// A router of a trigger that is due, and that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CalendarPause {
    /// Router name.
    pub router: String,
    /// Until when; null where it is until somebody resumes it.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// Clocks that go forward or back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ClockChange)]
pub struct ClockChangeResource {
    /// Of which time zone.
    pub zone: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// The offset before it, such as `+01:00`.
    pub before: String,
    /// The offset from then on.
    pub after: String,
}
