//! Log lines about events that matched nothing, bounded: the first of a trigger has one at once; those that follow
//! within a minute are counted in one line at its end.

use std::collections::VecDeque;
use std::time::Duration;

use herald_base::log_target::{NOT_TERMINAL, TERMINAL};
use tokio::time::Instant;

use crate::event::activation::{Activation, Name, NameMap};

/// The least time between two lines about one trigger.
const EVERY: Duration = Duration::from_secs(60);

/// The triggers whose events matched nothing within the last minute.
#[derive(Default)]
pub(super) struct UnmatchedEvents {
    minutes: NameMap<FurtherEvents>,
    /// When their minutes end, in this order.
    ends: VecDeque<(Instant, Name)>,
}

/// Events of one trigger that no line was about yet.
#[derive(Debug, Default, PartialEq, Eq)]
struct FurtherEvents {
    count: u64,
    last: Option<Name>,
}

impl UnmatchedEvents {
    /// An event matched nothing. Whether it gets a line now.
    fn note(&mut self, trigger: &Name, event_id: &Name, now: Instant) -> bool {
        if let Some(further) = self.minutes.get_mut(trigger) {
            further.count += 1;
            further.last = Some(event_id.clone());
            return false;
        }
        self.begin(trigger.clone(), now);
        true
    }

    /// Logs that an event matched nothing. People at a terminal see a line for each.
    pub(super) fn log(&mut self, event: &Activation) {
        let (trigger, event_id) = (&*event.trigger, &*event.event_id);
        if self.note(&event.trigger, &event.event_id, Instant::now()) {
            tracing::info!(trigger, event_id, "event matched no router");
        } else {
            tracing::debug!(target: TERMINAL, trigger, event_id, "event matched no router");
        }
    }

    /// Logs how many more there were in the minutes that have ended.
    pub(super) fn end_minutes(&mut self) {
        let now = Instant::now();
        while let Some((trigger, further)) = self.pop(now) {
            further.log(&trigger);
        }
    }

    /// The same of the minutes that have not, at the end.
    pub(super) fn end(&self) {
        self.minutes.iter().for_each(|(trigger, further)| further.log(trigger));
    }

    fn begin(&mut self, trigger: Name, now: Instant) {
        self.ends.push_back((now + EVERY, trigger.clone()));
        self.minutes.insert(trigger, FurtherEvents::default());
    }

    /// When the next minute ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ends.front().map(|(at, _)| *at)
    }

    /// A trigger whose minute has ended by now, and the events that no line was about; the next minute begins for it.
    fn pop(&mut self, now: Instant) -> Option<(Name, FurtherEvents)> {
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, trigger)) = self.ends.pop_front() else { break };
            let further = self.minutes.remove(&trigger).unwrap_or_default();
            if further.count > 0 {
                self.begin(trigger.clone(), now);
                return Some((trigger, further));
            }
        }
        None
    }
}

impl FurtherEvents {
    fn log(&self, trigger: &str) {
        let Self { count, last: Some(event_id) } = self else { return };
        let event_id = &**event_id;
        tracing::info!(target: NOT_TERMINAL, trigger, count, event_id, "more events matched no router; event_id is the last");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_for_each_trigger() {
        let mut events = UnmatchedEvents::default();
        let start = Instant::now();
        let (push, tick): (Name, Name) = ("push".into(), "tick".into());
        let at = |seconds| start + Duration::from_secs(seconds);
        let further = |trigger: &Name, count, last: &str| {
            Some((trigger.clone(), FurtherEvents { count, last: Some(last.into()) }))
        };
        assert_eq!(events.next(), None);
        assert!(events.note(&push, &"1".into(), at(0)));
        assert!(events.note(&tick, &"2".into(), at(10)));
        for n in 3..1003 {
            assert!(!events.note(&push, &n.to_string().as_str().into(), at(20)));
        }
        assert_eq!(events.next(), Some(at(60)));
        assert_eq!(events.pop(at(59)), None);
        assert_eq!(events.pop(at(60)), further(&push, 1000, "1002"));
        // Nothing more came of `tick`, whose minute is over, and is forgotten.
        assert_eq!(events.pop(at(70)), None);
        assert!(events.note(&tick, &"1003".into(), at(71)));
        assert!(!events.note(&push, &"1004".into(), at(71)));
        assert_eq!(events.pop(at(120)), further(&push, 1, "1004"));
        assert_eq!(events.pop(at(1000)), None);
        assert_eq!((events.next(), events.minutes.len()), (None, 0));
    }
}
