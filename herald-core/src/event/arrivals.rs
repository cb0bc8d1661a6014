//! Who waits for what comes: the ends of a router's jobs, the events of a trigger.
//!
//! Jobs also end while nobody waits yet or any more: recovered ones when Herald starts, and running ones in the grace
//! when it stops. So what is awaited is known, and recorded as the position of a source, from one process to the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::event::name::Name;
use crate::event::position::{Cursor, Position};

/// With what the names of the recorded sources begin. No trigger has such a name.
pub(crate) const SOURCES: &str = "\u{1f}arrivals\u{1f}";
/// What follows, before the name.
const ROUTER: &str = "router\u{1f}";
const TRIGGER: &str = "trigger\u{1f}";
/// Recorded for what is awaited and has not come yet.
const NEVER: Timestamp = Timestamp::UNIX_EPOCH;
/// What comes more often is not recorded each time.
const APART: Duration = Duration::from_secs(1);
/// For how long that is still recorded for which nobody waits: longer than a start or a grace.
const LINGER: Duration = Duration::from_secs(24 * 60 * 60);

/// Something that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// A job of this router ended. One that was rejected did not.
    Router(Name),
    /// An event of this trigger was accepted.
    Trigger(Name),
}

/// When it came last; none while it has not come.
pub type LastArrival = watch::Receiver<Option<Timestamp>>;

impl Awaited {
    fn source(&self) -> Name {
        match self {
            Self::Router(name) => format!("{SOURCES}{ROUTER}{name}").into(),
            Self::Trigger(name) => format!("{SOURCES}{TRIGGER}{name}").into(),
        }
    }

    fn of_source(source: &str) -> Option<Self> {
        let rest = source.strip_prefix(SOURCES)?;
        let router = rest.strip_prefix(ROUTER).map(|name| Self::Router(name.into()));
        router.or_else(|| Some(Self::Trigger(rest.strip_prefix(TRIGGER)?.into())))
    }
}

/// What is known of something that is awaited, or was.
#[derive(Debug, Default)]
struct KnownArrival {
    last: watch::Sender<Option<Timestamp>>,
    recorded: Option<Timestamp>,
    /// When it came first with nobody waiting.
    unwatched_since: Option<Timestamp>,
}

impl KnownArrival {
    /// Whether somebody waits, or did lately.
    fn is_watched(&mut self, at: Timestamp) -> bool {
        if self.last.receiver_count() > 0 {
            self.unwatched_since = None;
            return true;
        }
        !is_apart(*self.unwatched_since.get_or_insert(at), at, LINGER)
    }
}

fn is_apart(before: Timestamp, after: Timestamp, by: Duration) -> bool {
    Duration::try_from(after.duration_since(before)).is_ok_and(|apart| apart >= by)
}

/// All that is awaited. Costs nothing while nothing is.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    is_used: AtomicBool,
    known: Mutex<HashMap<Awaited, KnownArrival>>,
}

impl Arrivals {
    fn known(&self) -> MutexGuard<'_, HashMap<Awaited, KnownArrival>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with what earlier processes recorded.
    pub(crate) fn resume(&self, recorded: &[Cursor]) {
        let mut known = self.known();
        for Cursor { source, position } in recorded {
            if let (Some(awaited), Some(at)) = (Awaited::of_source(source), position.time()) {
                self.is_used.store(true, Ordering::Release);
                let one = known.entry(awaited).or_default();
                one.recorded = Some(at);
                one.last.send_if_modified(|last| {
                    let is_news = last.is_none() && at > NEVER;
                    *last = last.or(is_news.then_some(at));
                    is_news
                });
            }
        }
    }

    /// Shows what came last, and what comes from now on.
    pub(crate) fn follow(&self, awaited: &Awaited) -> LastArrival {
        self.is_used.store(true, Ordering::Release);
        let mut receiver = self.known().entry(awaited.clone()).or_default().last.subscribe();
        // What came before is not news.
        receiver.mark_unchanged();
        receiver
    }

    /// That it is awaited, to be recorded, unless it is recorded that it came.
    pub(crate) fn awaits(&self, awaited: &Awaited) -> Option<Cursor> {
        let mut known = self.known();
        let one = known.get_mut(awaited).filter(|one| one.recorded.is_none())?;
        one.recorded = Some(NEVER);
        Some(Cursor { source: awaited.source(), position: Position::of_time(NEVER) })
    }

    /// It comes. Returns what is to be recorded in the same batch, if anything is.
    pub(crate) fn record(&self, awaited: impl FnOnce() -> Awaited, at: Timestamp) -> Option<Cursor> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        let (awaited, mut known) = (awaited(), self.known());
        let one = known.get_mut(&awaited)?;
        if !one.is_watched(at) {
            known.remove(&awaited);
            return None;
        }
        if one.recorded.is_some_and(|before| !is_apart(before, at, APART)) {
            return None;
        }
        one.recorded = Some(at);
        Some(Cursor { source: awaited.source(), position: Position::of_time(at) })
    }

    /// It came, as is recorded.
    pub(crate) fn came(&self, awaited: impl FnOnce() -> Awaited, at: Timestamp) {
        if self.is_used.load(Ordering::Acquire)
            && let Some(one) = self.known().get(&awaited())
        {
            one.last.send_replace(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_sees_what_comes_from_then_on() {
        let (arrivals, at) = (Arrivals::default(), |second| Timestamp::from_second(second).unwrap());
        let router = || Awaited::Router("r".into());
        arrivals.came(router, at(1));
        let mut receiver = arrivals.follow(&router());
        assert!(!receiver.has_changed().unwrap());
        arrivals.came(|| Awaited::Trigger("r".into()), at(2));
        assert!(!receiver.has_changed().unwrap());
        arrivals.came(router, at(3));
        arrivals.came(router, at(4));
        assert_eq!(*receiver.borrow_and_update(), Some(at(4)));
        let second = arrivals.follow(&router());
        assert!(!second.has_changed().unwrap() && !receiver.has_changed().unwrap());
        // Nobody waits any more, and somebody will again.
        drop((receiver, second));
        arrivals.came(router, at(5));
        let third = arrivals.follow(&router());
        assert!(!third.has_changed().unwrap());
        assert_eq!(*third.borrow(), Some(at(5)));
    }

    #[test]
    fn what_is_awaited_is_recorded_and_known_to_the_next_process() {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let (router, trigger) = (|| Awaited::Router("a".into()), || Awaited::Trigger("a".into()));
        let arrivals = Arrivals::default();
        assert_eq!(arrivals.record(router, at(0)), None);
        drop(arrivals.follow(&router()));
        assert_eq!(arrivals.record(trigger, at(1)), None);
        let first = arrivals.record(router, at(2)).unwrap();
        assert_eq!(arrivals.record(router, at(900)), None);
        let second = arrivals.record(router, at(1002)).unwrap();
        assert!(first.position < second.position && first.source == second.source);

        let late = Awaited::Router("late".into());
        assert_eq!(arrivals.awaits(&late), None);
        drop(arrivals.follow(&late));
        let never = arrivals.awaits(&late).unwrap();
        assert_eq!((arrivals.awaits(&late), arrivals.awaits(&router())), (None, None));

        let other = Awaited::Trigger("b".into());
        let cursor = Cursor { source: other.source(), position: Position::of_time(at(7)) };
        let next = Arrivals::default();
        next.resume(&[
            second,
            never,
            cursor,
            Cursor { source: "t".into(), position: Position::of_time(at(8)) },
        ]);
        assert_eq!(*next.follow(&other).borrow(), Some(at(7)));
        assert_eq!(*next.follow(&late).borrow(), None);
        // Nobody waits for the router yet.
        assert!(next.record(router, at(3000)).is_some());
        next.came(router, at(3000));
        assert_eq!(*next.follow(&router()).borrow(), Some(at(3000)));
        let day = i64::try_from(LINGER.as_millis()).unwrap();
        let waits = next.follow(&router());
        assert!(next.record(router, at(2 * day)).is_some());
        drop(waits);
        assert!(next.record(router, at(3 * day)).is_some());
        // Nobody waited for a day.
        assert_eq!(next.record(router, at(4 * day)), None);
        assert_eq!(next.known().len(), 2);
    }
}
