//! Gathers a calendar: the runs from the history, what is due from the triggers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use herald_control::model::{
    CalendarDue, CalendarResource, CalendarRuns, CalendarSchedule, ClockChangeResource,
};
use herald_core::activation::Name;
use herald_core::trigger::{Calendar, Timetable, Trigger};
use herald_schedule::agenda::{Agenda, AgendaSource, Buckets, Occurrences, Repeating, agenda, zone_changes};
use herald_store::history::{History, HistoryError, JobRuns, JobTimes, JobTimesQuery};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::range::CalendarRange;
use super::times::CalendarTimes;

/// The most jobs that are looked at, where they are counted.
const MOST_JOBS: usize = 20_000;
/// The routers of a trigger that are named.
const NAMED: usize = 10;
/// The most routers of which it is asked how long they take.
const MOST_ROUTERS: usize = 300;
/// The most zones whose clocks are looked at.
const MOST_ZONES: usize = 20;

/// The triggers of a calendar, and what they start.
pub trait CalendarSources: Send + Sync + 'static {
    /// All triggers.
    fn triggers(&self) -> Vec<(&Name, &dyn Trigger)>;

    /// The routers of this trigger, in order.
    fn routers_of(&self, trigger: &str) -> BTreeSet<&str>;
}

/// Why there is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// What ran cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The thread that computed what is due.
    #[error(transparent)]
    Thread(#[from] tokio::task::JoinError),
}

/// What ran and what is due.
///
/// # Errors
/// [`GatherError`]: the history cannot be read.
pub async fn gather<S: CalendarSources>(
    history: &dyn History,
    sources: Arc<S>,
    range: CalendarRange,
    now: Timestamp,
) -> Result<CalendarResource, GatherError> {
    let times = runs(history, &*sources, &range, now).await?;
    let range = Arc::new(range);
    let due = {
        let range = range.clone();
        // Of ten thousand triggers this takes a while.
        tokio::task::spawn_blocking(move || GatheredDue::of(&*sources, &range, now)).await?
    };
    let GatheredDue { due, cut_at, mut schedules, clock_changes } = due;
    add_usual_lengths(history, &mut schedules).await?;
    let (runs, runs_since) = shown_runs(times, &range);
    Ok(CalendarResource {
        from: range.from.to_string(),
        until: range.until.to_string(),
        now: now.to_string(),
        runs,
        runs_since,
        due,
        due_until: cut_at.map(|at| at.to_string()),
        schedules,
        clock_changes,
    })
}

async fn runs(
    history: &dyn History,
    sources: &dyn CalendarSources,
    range: &CalendarRange,
    now: Timestamp,
) -> Result<JobTimes, HistoryError> {
    if range.from > now {
        return Ok(JobTimes::default());
    }
    let delay = |(name, trigger): (&Name, &dyn Trigger)| match trigger.timetable() {
        Some(Timetable::Calendar(calendar)) => Some((name.clone(), calendar.delay())),
        _ => None,
    };
    let query = JobTimesQuery {
        since: range.from,
        until: range.until,
        calendars: sources.triggers().into_iter().filter_map(delay).collect(),
        limit: if range.size.is_some() { MOST_JOBS } else { range.limit },
    };
    history.job_times(query).await
}

/// The runs, and since when they are all here, where they are not.
fn shown_runs(times: JobTimes, range: &CalendarRange) -> (Vec<CalendarRuns>, Option<String>) {
    let oldest = times.jobs.last().map_or(range.until, |job| job.queued_at);
    let oldest = Some(oldest).filter(|_| times.has_more);
    let buckets = range.size.map(|size| Buckets::new(&range.zone, range.from, range.until, size));
    let groups = times.grouped(|at| buckets.as_ref().map(|buckets| buckets.place_of(at)));
    let left_out = groups.len().saturating_sub(range.limit);
    let since = groups.get(left_out).map(|runs| runs.first).filter(|_| left_out > 0).or(oldest);
    (groups.into_iter().skip(left_out).map(shown).collect(), since.map(|at| at.to_string()))
}

fn shown(runs: JobRuns) -> CalendarRuns {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    CalendarRuns {
        count: runs.count(),
        caught_up: text(runs.caught_up()),
        router: runs.last.router.to_string(),
        first: runs.first.to_string(),
        last: runs.last.queued_at.to_string(),
        outcomes: runs.outcomes.into_iter().map(|(status, count)| (status.to_owned(), count)).collect(),
        job_id: runs.last.id.to_string(),
        started_at: text(runs.last.started_at),
        ended_at: text(runs.last.ended_at),
    }
}

/// The slowest router of each trigger, as it usually is.
pub(super) async fn add_usual_lengths(
    history: &dyn History,
    schedules: &mut [CalendarSchedule],
) -> Result<(), HistoryError> {
    let routers: BTreeSet<&String> = schedules.iter().flat_map(|schedule| &schedule.routers).collect();
    let routers: Vec<Name> = routers.into_iter().take(MOST_ROUTERS).map(|name| Name::from(&**name)).collect();
    let lengths = history.usual_lengths(routers.clone()).await?;
    let lengths: BTreeMap<Name, Option<std::time::Duration>> = routers.into_iter().zip(lengths).collect();
    for schedule in schedules {
        let of_routers = schedule.routers.iter().filter_map(|router| *lengths.get(&**router)?);
        schedule.usual_seconds = of_routers.max().map(|longest| longest.as_secs_f64());
    }
    Ok(())
}

/// What is due.
pub(super) struct GatheredDue {
    pub(super) due: Vec<CalendarDue>,
    pub(super) cut_at: Option<Timestamp>,
    pub(super) schedules: Vec<CalendarSchedule>,
    clock_changes: Vec<ClockChangeResource>,
}

/// A trigger whose times are known.
pub(super) struct TimedTrigger<'a> {
    name: &'a Name,
    times: Box<dyn Occurrences + 'a>,
    after: Timestamp,
    pub(super) calendar: Option<&'a dyn Calendar>,
    every_seconds: Option<f64>,
}

impl<'a> TimedTrigger<'a> {
    /// All of them; what is before this time is left out.
    pub(super) fn all(sources: &'a dyn CalendarSources, now: Timestamp, from: Timestamp) -> Vec<Self> {
        let before = from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
        let timed =
            sources.triggers().into_iter().filter_map(|(name, trigger)| match trigger.timetable()? {
                Timetable::Calendar(calendar) => {
                    // What fired before the clock was set back does not fire again.
                    let followed = calendar.followed_until().unwrap_or(now);
                    let after = before.max(now).max(followed);
                    Some(Self {
                        name,
                        times: Box::new(CalendarTimes(calendar)),
                        after,
                        calendar: Some(calendar),
                        every_seconds: None,
                    })
                }
                Timetable::Every(period) => {
                    let first = trigger.next_of_interval(now)?;
                    let every_seconds = Some(period.as_secs_f64());
                    let times = Box::new(Repeating { first, period });
                    Some(Self { name, times, after: before.max(now), calendar: None, every_seconds })
                }
            });
        timed.collect()
    }

    fn schedule(&self, sources: &dyn CalendarSources, now: Timestamp) -> CalendarSchedule {
        let routers = sources.routers_of(self.name);
        CalendarSchedule {
            trigger: self.name.to_string(),
            cron: self.calendar.map(|calendar| calendar.line().to_owned()),
            zone: self.calendar.map(|calendar| zone_name(calendar.zone())),
            every_seconds: self.every_seconds,
            router_count: routers.len() as u64,
            routers: routers.into_iter().take(NAMED).map(str::to_owned).collect(),
            usual_seconds: None,
            waits_for_clock: self.calendar.is_some_and(|calendar| calendar.waits_for_clock(now)),
            paused: Vec::new(),
        }
    }
}

impl GatheredDue {
    fn of(sources: &dyn CalendarSources, range: &CalendarRange, now: Timestamp) -> Self {
        Self::of_timed(&TimedTrigger::all(sources, now, range.from), sources, range, now)
    }

    /// Of these triggers alone.
    pub(super) fn of_timed(
        timed: &[TimedTrigger<'_>],
        sources: &dyn CalendarSources,
        range: &CalendarRange,
        now: Timestamp,
    ) -> Self {
        let all: Vec<_> =
            timed.iter().map(|timed| AgendaSource { due: &*timed.times, after: timed.after }).collect();
        let buckets = range.size.map(|size| Buckets::new(&range.zone, range.from, range.until, size));
        let Agenda { entries, cut_at } = agenda(&all, range.until, buckets.as_ref(), range.limit);
        let used: BTreeSet<usize> = entries.iter().map(|entry| entry.source).collect();
        let used: Vec<&TimedTrigger<'_>> = used.into_iter().map(|source| &timed[source]).collect();
        let due = entries.iter().map(|entry| {
            let timed = &timed[entry.source];
            CalendarDue {
                trigger: timed.name.to_string(),
                first: entry.first.to_string(),
                count: entry.count,
                remark: timed
                    .calendar
                    .filter(|_| entry.count == 1)
                    .and_then(|calendar| calendar.remark(entry.first)),
            }
        });
        Self {
            due: due.collect(),
            cut_at,
            schedules: used.iter().map(|timed| timed.schedule(sources, now)).collect(),
            clock_changes: clock_changes(range, used.iter().filter_map(|timed| timed.calendar)),
        }
    }
}

/// When the clocks of the calendar and of these schedules change.
fn clock_changes<'a>(
    range: &CalendarRange,
    calendars: impl Iterator<Item = &'a dyn Calendar>,
) -> Vec<ClockChangeResource> {
    let mut zones = BTreeMap::from([(zone_name(&range.zone), &range.zone)]);
    for calendar in calendars {
        if zones.len() < MOST_ZONES {
            zones.insert(zone_name(calendar.zone()), calendar.zone());
        }
    }
    let of_zone = |(name, zone): (String, &TimeZone)| {
        let change = move |change: herald_schedule::agenda::ZoneChange| ClockChangeResource {
            zone: name.clone(),
            at: change.at.to_string(),
            before: offset(change.before),
            after: offset(change.after),
        };
        zone_changes(zone, range.from, range.until).into_iter().map(change).collect::<Vec<_>>()
    };
    let mut changes: Vec<ClockChangeResource> = zones.into_iter().flat_map(of_zone).collect();
    changes.sort_by_key(|change| change.at.parse::<Timestamp>().ok());
    changes
}

/// Such as `+02:00`.
fn offset(offset: Offset) -> String {
    Timestamp::UNIX_EPOCH.to_zoned(TimeZone::fixed(offset)).strftime("%:z").to_string()
}

/// The name of a zone for people; the machine's may have none.
fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| "the machine's time zone".to_owned(), str::to_owned)
}
