//! What is due as an iCalendar file.

use std::collections::HashMap;
use std::time::Duration;

use herald_base::system::host_name::host_name;
use herald_control::model::{CalendarDue, CalendarResource, CalendarSchedule};
use herald_schedule::icalendar::{self, CalendarEvent};
use jiff::Timestamp;

/// Routers that are named in the title of an event.
const NAMED: usize = 3;
/// How long an event is that means several times in one hour.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The file, as it is made now.
#[must_use]
pub fn icalendar(calendar: &CalendarResource, now: Timestamp) -> String {
    icalendar::file(&format!("Herald {}", host_name()), now, &events(calendar))
}

/// What is due, as events.
fn events(calendar: &CalendarResource) -> Vec<CalendarEvent> {
    let host = host_name();
    let schedules: HashMap<&str, &CalendarSchedule> =
        calendar.schedules.iter().map(|schedule| (&*schedule.trigger, schedule)).collect();
    let event = |due: &CalendarDue| {
        let schedule = schedules.get(&*due.trigger)?;
        let usual = schedule.usual_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(CalendarEvent {
            uid: format!("{}/{}@{host}", due.first, due.trigger),
            start: due.first.parse().ok()?,
            length: if due.count > 1 { Some(HOUR) } else { usual },
            summary: title(due, schedule),
            description: description(due, schedule),
        })
    };
    calendar.due.iter().filter_map(event).collect()
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
