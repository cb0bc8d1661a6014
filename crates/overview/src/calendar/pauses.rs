//! Which of the routers in a calendar are paused.

use std::collections::BTreeMap;

use herald_control::model::{CalendarPause, CalendarResource};
use jiff::Timestamp;

use super::gather::CalendarSources;

/// The paused routers of a trigger that are named.
const NAMED: usize = 10;

/// Names the routers of each schedule that are paused; the pauses are by router, with their ends.
pub fn add_pauses(
    calendar: &mut CalendarResource,
    sources: &dyn CalendarSources,
    pauses: &BTreeMap<String, Option<Timestamp>>,
) {
    if pauses.is_empty() {
        return;
    }
    for schedule in &mut calendar.schedules {
        let routers = sources.routers_of(&schedule.trigger);
        let paused = routers.into_iter().filter_map(|router| Some((router, pauses.get(router)?)));
        let paused = paused.map(|(router, until)| CalendarPause {
            router: router.to_owned(),
            until: until.map(|until| until.to_string()),
        });
        schedule.paused = paused.take(NAMED).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use herald_control::model::CalendarSchedule;
    use herald_core::activation::Name;
    use herald_core::trigger::Trigger;

    use super::*;

    /// Each trigger has twelve routers of its own.
    struct Twelve;

    const ROUTERS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

    impl CalendarSources for Twelve {
        fn triggers(&self) -> Vec<(&Name, &dyn Trigger)> {
            Vec::new()
        }

        fn routers_of(&self, _: &str) -> BTreeSet<&str> {
            ROUTERS.into()
        }
    }

    #[test]
    fn routers_that_are_paused_are_named_also_beyond_those_of_the_schedule() {
        let schedule = CalendarSchedule {
            trigger: "nightly".to_owned(),
            cron: None,
            zone: None,
            every_seconds: None,
            routers: vec!["a".to_owned()],
            router_count: 12,
            usual_seconds: None,
            waits_for_clock: false,
            paused: Vec::new(),
        };
        let mut calendar = CalendarResource {
            from: String::new(),
            until: String::new(),
            now: String::new(),
            runs: Vec::new(),
            runs_since: None,
            due: Vec::new(),
            due_until: None,
            schedules: vec![schedule],
            clock_changes: Vec::new(),
        };
        let until: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let pauses = [("l", Some(until)), ("of another trigger", None), ("b", None)];
        let pauses = pauses.map(|(router, until)| (router.to_owned(), until)).into();
        add_pauses(&mut calendar, &Twelve, &pauses);
        let found = calendar.schedules[0].paused.iter().map(|one| (&*one.router, one.until.as_deref()));
        assert_eq!(found.collect::<Vec<_>>(), [("b", None), ("l", Some("2026-11-29T12:00:00Z"))]);
        let all = ROUTERS.map(|router| (router.to_owned(), None)).into();
        add_pauses(&mut calendar, &Twelve, &all);
        assert_eq!(calendar.schedules[0].paused.len(), NAMED);
    }
}
