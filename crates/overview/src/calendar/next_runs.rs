//! The next runs of triggers, from the configuration; of intervals, from the running daemon.

use std::sync::Arc;
use std::time::Duration;

use herald_control::model::TriggerResource;
use herald_core::activation::Name;
use herald_core::trigger::{Calendar, Timetable, Trigger};
use herald_schedule::agenda::{AgendaEntry, AgendaSource, agenda};
use herald_schedule::local_time;
use herald_terminal::{human_time, table};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::times::CalendarTimes;

/// What is due, as far as that is known.
pub struct NextRuns<'a> {
    now: Timestamp,
    due: Vec<Due<'a>>,
    every: Vec<Interval<'a>>,
}

/// A trigger with an interval.
struct Interval<'a> {
    trigger: &'a str,
    period: Duration,
    /// When it is due next, where a daemon runs.
    due: Option<Timestamp>,
}

/// One time of one trigger.
struct Due<'a> {
    at: Timestamp,
    trigger: &'a str,
    calendar: &'a dyn Calendar,
}

impl<'a> NextRuns<'a> {
    /// Whether nothing is due at a known time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && self.every.is_empty()
    }

    /// Of these triggers, from now on: at most `count` calendar times. `running` are those of the daemon: it knows when
    /// intervals are due that it has as well, and which calendars wait as its clock was set back.
    #[must_use]
    pub fn of(
        triggers: &'a [(Name, Arc<dyn Trigger>)],
        now: Timestamp,
        count: usize,
        running: &[TriggerResource],
    ) -> Self {
        let (mut calendars, mut every) = (Vec::new(), Vec::new());
        for (name, trigger) in triggers {
            let running = running.iter().find(|one| one.name == **name);
            let next = running.and_then(|one| one.next.first()?.parse::<Timestamp>().ok());
            match trigger.timetable() {
                Some(Timetable::Every(period)) => {
                    let is_same = running.is_some_and(|one| one.every_seconds == Some(period.as_secs_f64()));
                    every.push(Interval { trigger: name, period, due: next.filter(|_| is_same) });
                }
                Some(Timetable::Calendar(calendar)) => {
                    let waits = running.is_some_and(|one| one.waits_for_clock);
                    let before =
                        |next: Timestamp| next.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(next);
                    let after = next.filter(|_| waits).map_or(now, before);
                    calendars.push(FollowedCalendar { trigger: name, calendar, after });
                }
                None => {}
            }
        }
        Self { now, due: merge(&calendars, count), every }
    }

    /// As a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let due = self.due.iter().map(|due| {
            let left = due.at.duration_since(self.now);
            [due.time(), human_time::until(left), due.trigger.to_owned(), due.calendar.line().to_owned()]
        });
        let every = self.every.iter().map(|Interval { trigger, period, due }| match due {
            Some(at) => {
                let time = local_time::seconds(*at, &TimeZone::system());
                let left = human_time::until(at.duration_since(self.now));
                [time, left, (*trigger).to_owned(), human_time::every(*period)]
            }
            None => {
                let what = "from the start of heraldd; @every: from its first start".to_owned();
                ["-".to_owned(), human_time::every(*period), (*trigger).to_owned(), what]
            }
        });
        let rows: Vec<table::Row<4>> = due.chain(every).collect();
        table::table(["TIME", "IN", "TRIGGER", "SCHEDULE"], &rows)
    }

    /// As one JSON object: times in `due`, intervals in `every`.
    #[must_use]
    pub fn json(&self) -> Value {
        let due = self.due.iter().map(|due| {
            let seconds = due.at.duration_since(self.now).as_secs();
            json!({"time": due.time(), "in_seconds": seconds, "trigger": due.trigger, "cron": due.calendar.line()})
        });
        let every = self.every.iter().map(|Interval { trigger, period, due }| {
            let mut interval = json!({"trigger": trigger, "every_seconds": period.as_secs_f64()});
            if let Some(at) = due {
                interval["next"] = local_time::seconds(*at, &TimeZone::system()).into();
            }
            interval
        });
        json!({"due": due.collect::<Vec<_>>(), "every": every.collect::<Vec<_>>()})
    }
}

impl Due<'_> {
    fn time(&self) -> String {
        local_time::seconds(self.at, self.calendar.zone())
    }
}

/// A calendar, and from when on its times count.
struct FollowedCalendar<'a> {
    trigger: &'a str,
    calendar: &'a dyn Calendar,
    after: Timestamp,
}

/// The first `count` times of all calendars, in order; those at the same instant in the order of the triggers.
fn merge<'a>(calendars: &[FollowedCalendar<'a>], count: usize) -> Vec<Due<'a>> {
    let times: Vec<CalendarTimes<'_>> =
        calendars.iter().map(|followed| CalendarTimes(followed.calendar)).collect();
    let followed = times.iter().zip(calendars);
    let sources: Vec<_> =
        followed.map(|(due, followed)| AgendaSource { due, after: followed.after }).collect();
    let entries = agenda(&sources, Timestamp::MAX, None, count).entries.into_iter();
    let due = entries.map(|AgendaEntry { source, first: at, .. }| {
        let FollowedCalendar { trigger, calendar, .. } = calendars[source];
        Due { at, trigger, calendar }
    });
    due.collect()
}
