//! The messages whose ends are awaited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::lines::LinePlace;
use crate::message::MessageEnd;

/// What a message that waits for its end is sent; more than that is sent again.
const NOTICES: usize = 64;

/// What is known of a message.
#[derive(Debug)]
pub(super) enum Notice {
    /// It ended, on one node.
    Ended(Box<MessageEnd>),
    /// The queue does not know it.
    Missing,
}

#[derive(PartialEq, Eq, Hash, Clone, PartialOrd, Ord)]
pub(super) struct MessageName {
    pub(super) topic: String,
    pub(super) id: String,
}

struct Awaiting {
    notices: mpsc::Sender<Notice>,
    /// Where it is put again, should the queue have lost it.
    place: Option<Arc<LinePlace>>,
}

/// All of them.
#[derive(Default)]
pub(super) struct AwaitedEnds(Mutex<HashMap<MessageName, Awaiting>>);

/// One whose end is awaited.
pub(super) struct AwaitedEnd {
    all: Arc<AwaitedEnds>,
    name: MessageName,
    notices: mpsc::Receiver<Notice>,
}

impl AwaitedEnds {
    /// From now on its ends are awaited.
    pub(super) fn expect(
        self: &Arc<Self>,
        topic: &str,
        id: &str,
        place: Option<Arc<LinePlace>>,
    ) -> AwaitedEnd {
        let name = MessageName { topic: topic.to_owned(), id: id.to_owned() };
        let (sender, notices) = mpsc::channel(NOTICES);
        self.all().insert(name.clone(), Awaiting { notices: sender, place });
        AwaitedEnd { all: self.clone(), name, notices }
    }

    /// Notifies the task that awaits it. Returns whether somebody does.
    pub(super) fn notify(&self, topic: &str, id: &str, notice: Notice) -> bool {
        let name = MessageName { topic: topic.to_owned(), id: id.to_owned() };
        let sender = self.all().get(&name).map(|awaiting| awaiting.notices.clone());
        sender.is_some_and(|sender| sender.try_send(notice).is_ok())
    }

    /// The queue lost these: each enters its line again before any of them is put, so that those of one key keep their
    /// order. Gives how many are still awaited.
    pub(super) fn notify_missing(&self, names: &[MessageName]) -> usize {
        let mut awaited = 0;
        let place = |name: &MessageName| self.all().get(name).and_then(|awaiting| awaiting.place.clone());
        let places: Vec<Option<Arc<LinePlace>>> = names.iter().map(place).collect();
        places.iter().flatten().for_each(|place| place.enter());
        for (MessageName { topic, id }, place) in names.iter().zip(places) {
            if self.notify(topic, id, Notice::Missing) {
                awaited += 1;
            } else if let Some(place) = place {
                place.leave();
            }
        }
        awaited
    }

    /// By topic, in order.
    pub(super) fn by_topic(&self) -> Vec<MessageName> {
        let mut names: Vec<MessageName> = self.all().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn all(&self) -> MutexGuard<'_, HashMap<MessageName, Awaiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AwaitedEnd {
    /// The next notice.
    pub(super) async fn next(&mut self) -> Notice {
        match self.notices.recv().await {
            Some(notice) => notice,
            // Another one awaits the same message: this one is not informed any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for AwaitedEnd {
    fn drop(&mut self) {
        self.notices.close();
        // The channel of another one that awaits the same message stays.
        let mut all = self.all.all();
        if all.get(&self.name).is_some_and(|awaiting| awaiting.notices.is_closed()) {
            all.remove(&self.name);
        }
    }
}

/// Adds an end: of two of one node, the later one counts.
pub(super) fn add(ends: &mut Vec<MessageEnd>, end: MessageEnd) {
    match ends.iter_mut().find(|known| known.node == end.node) {
        Some(known) if (known.attempt, known.ended) <= (end.attempt, end.ended) => *known = end,
        Some(_) => {}
        None => ends.push(end),
    }
}
