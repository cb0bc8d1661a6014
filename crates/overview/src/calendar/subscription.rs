//! What is due as an iCalendar file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use herald_base::system::host_name::host_name;
use herald_control::model::{CalendarDue, CalendarSchedule};
use herald_schedule::agenda::BucketSize;
use herald_schedule::icalendar::{self, CalendarEvent};
use herald_store::history::History;
use jiff::{SignedDuration, Timestamp};

use super::gather::{CalendarSources, GatherError, GatheredDue, TimedTrigger, add_usual_lengths};
use super::range::CalendarRange;

/// Routers that are named in the title of an event.
const NAMED: usize = 3;
/// What is due more often than so many times in a week has one event a day, so that it does not hide the others.
const OFTEN: u64 = 4 * 7;
const WEEK: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The file, as it is made now. What is due every so often, counted from the start of its trigger, is not in it: it
/// would be at other times after each start.
///
/// # Errors
/// [`GatherError`]: the history cannot be read.
pub async fn subscription<S: CalendarSources>(
    history: &dyn History,
    sources: Arc<S>,
    range: CalendarRange,
    now: Timestamp,
) -> Result<String, GatherError> {
    let gathered = tokio::task::spawn_blocking(move || gathered(&*sources, &range, now)).await?;
    let (mut events, mut cut_at) = (Vec::new(), None::<Timestamp>);
    for (size, mut gathered) in gathered {
        add_usual_lengths(history, &mut gathered.schedules).await?;
        cut_at = cut_at.into_iter().chain(gathered.cut_at).min();
        events.extend(events_of(&gathered, size));
    }
    events.extend(cut_at.map(cut));
    Ok(icalendar::file(&format!("Herald {}", host_name()), now, &events))
}

/// What is seldom due, by the hour, and what is often due, by the day.
fn gathered(
    sources: &dyn CalendarSources,
    range: &CalendarRange,
    now: Timestamp,
) -> [(BucketSize, GatheredDue); 2] {
    let until = range.from.checked_add(WEEK).unwrap_or(range.until);
    let is_often = |timed: &TimedTrigger<'_>| {
        timed.calendar.is_some_and(|calendar| calendar.count_between(range.from, until) > OFTEN)
    };
    let timed = TimedTrigger::all(sources, now, range.from);
    let by_calendar = timed.into_iter().filter(|timed| timed.calendar.is_some());
    let (often, seldom): (Vec<_>, Vec<_>) = by_calendar.partition(is_often);
    [(BucketSize::Hour, seldom), (BucketSize::Day, often)].map(|(size, timed)| {
        let range = CalendarRange { size: Some(size), ..range.clone() };
        (size, GatheredDue::of_timed(&timed, sources, &range, now))
    })
}

/// What is due, as events.
fn events_of(gathered: &GatheredDue, size: BucketSize) -> Vec<CalendarEvent> {
    let host = host_name();
    let schedules: HashMap<&str, &CalendarSchedule> =
        gathered.schedules.iter().map(|schedule| (&*schedule.trigger, schedule)).collect();
    let event = |due: &CalendarDue| {
        let schedule = schedules.get(&*due.trigger)?;
        let usual = schedule.usual_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let start = due.first.parse().ok()?;
        let (bucket, end) = bucket_of(start, size);
        let rest = Duration::try_from(end.duration_since(start)).ok();
        Some(CalendarEvent {
            // What is left of an hour or a day becomes less with each file, and is the same event.
            uid: format!("{bucket}/{}@{host}", due.trigger),
            start,
            length: if due.count > 1 { rest } else { usual },
            summary: title(due, schedule),
            description: description(due, schedule),
        })
    };
    gathered.due.iter().filter_map(event).collect()
}

/// The hour or day (UTC) in which this is: its beginning and its end.
fn bucket_of(at: Timestamp, size: BucketSize) -> (Timestamp, Timestamp) {
    let length = match size {
        BucketSize::Hour => 60 * 60,
        BucketSize::Day => 24 * 60 * 60,
    };
    let start = at.as_second() - at.as_second().rem_euclid(length);
    let time = |second| Timestamp::from_second(second).unwrap_or(at);
    (time(start), time(start + length))
}

/// That not everything is here.
fn cut(at: Timestamp) -> CalendarEvent {
    CalendarEvent {
        uid: format!("more@{}", host_name()),
        start: at,
        length: None,
        summary: "Herald: there is more from here on".to_owned(),
        description:
            "From here on not everything that is due is in this calendar, since it is too much: ask for a \
                      shorter range."
                .to_owned(),
    }
}

fn title(due: &CalendarDue, schedule: &CalendarSchedule) -> String {
    let name = match schedule.routers.len() {
        1..=NAMED => schedule.routers.join(", "),
        _ => due.trigger.clone(),
    };
    if due.count > 1 { format!("{name} ×{}", due.count) } else { name }
}

fn description(due: &CalendarDue, schedule: &CalendarSchedule) -> String {
    let mut lines = vec![format!("trigger {}, {} routers", due.trigger, schedule.router_count)];
    if let (Some(cron), Some(zone)) = (&schedule.cron, &schedule.zone) {
        lines.push(format!("{cron} ({zone})"));
    }
    lines.extend(schedule.usual_seconds.map(|seconds| format!("usually {seconds:.0} s")));
    lines.extend(due.remark.clone());
    lines.join("\n")
}
