//! Who waits for what comes: the ends of a router's jobs, the events of a trigger.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::event::name::Name;

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

/// All who wait. Costs nothing while nobody does.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    is_used: AtomicBool,
    waiting: Mutex<HashMap<Awaited, watch::Sender<Option<Timestamp>>>>,
}

impl Arrivals {
    /// Shows what comes from now on.
    pub(crate) fn follow(&self, awaited: &Awaited) -> LastArrival {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_used.store(true, Ordering::Release);
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        let mut receiver = waiting.entry(awaited.clone()).or_default().subscribe();
        // What came before is not news.
        receiver.mark_unchanged();
        receiver
    }

    /// It came, as is recorded.
    pub(crate) fn came(&self, awaited: impl FnOnce() -> Awaited, at: Timestamp) {
        if !self.is_used.load(Ordering::Acquire) {
            return;
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&awaited()) {
            sender.send_replace(Some(at));
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
        drop((receiver, second));
        arrivals.follow(&Awaited::Trigger("t".into()));
        assert_eq!(arrivals.waiting.lock().unwrap().len(), 1);
    }
}
