//! The order of puts: messages with one key are put one after another.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(PartialEq, Eq, Hash, Clone)]
struct LineName {
    topic: String,
    key: String,
}

#[derive(Default)]
struct PutLine {
    /// The numbers of the places in it.
    waiting: BTreeSet<u64>,
    moved: Arc<Notify>,
}

#[derive(Default)]
struct AllLines {
    by_name: HashMap<LineName, PutLine>,
    /// The number of the next place, in whichever line.
    next: u64,
}

/// A line for each topic and key in which somebody waits.
#[derive(Default, Clone)]
pub(super) struct PutLines(Arc<Mutex<AllLines>>);

impl PutLines {
    /// The last place of this line.
    pub(super) fn take_place(&self, topic: &str, key: &str) -> PlaceInLine {
        let mut lines = self.lines();
        let number = lines.next;
        lines.next += 1;
        drop(lines);
        let name = LineName { topic: topic.to_owned(), key: key.to_owned() };
        let place = LinePlace { lines: self.clone(), name, number };
        place.enter();
        PlaceInLine(Arc::new(place))
    }

    fn lines(&self) -> MutexGuard<'_, AllLines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line. Dropped, the next one is first.
pub struct PlaceInLine(Arc<LinePlace>);

/// The place of a message, which can be entered again when the message was lost.
pub(super) struct LinePlace {
    lines: PutLines,
    name: LineName,
    number: u64,
}

impl PlaceInLine {
    /// Waits until it is first, or has been left.
    pub async fn is_first(&self) {
        let LinePlace { lines, name, number } = &*self.0;
        loop {
            let moved = {
                let all = lines.lines();
                let Some(line) = all.by_name.get(name) else { return };
                if line.waiting.first() == Some(number) || !line.waiting.contains(number) {
                    return;
                }
                // It gets every notice from here on.
                line.moved.clone().notified_owned()
            };
            moved.await;
        }
    }

    /// The message was put: the next one is first.
    pub(super) fn leave(&self) {
        self.0.leave();
    }

    pub(super) fn shared(&self) -> &Arc<LinePlace> {
        &self.0
    }
}

impl LinePlace {
    /// In front of all that were taken after it.
    pub(super) fn enter(&self) {
        let mut lines = self.lines.lines();
        lines.by_name.entry(self.name.clone()).or_default().waiting.insert(self.number);
    }

    pub(super) fn leave(&self) {
        let mut lines = self.lines.lines();
        let Some(line) = lines.by_name.get_mut(&self.name) else { return };
        line.waiting.remove(&self.number);
        line.moved.notify_waiters();
        if line.waiting.is_empty() {
            lines.by_name.remove(&self.name);
        }
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_first_in_their_order() {
        let lines = PutLines::default();
        let places: Vec<_> = (0..4).map(|_| lines.take_place("t", "a")).collect();
        let other = lines.take_place("t", "b");
        other.is_first().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (n, place) in places.into_iter().enumerate().rev() {
            let seen = seen.clone();
            tasks.push(tokio::spawn(async move {
                if n == 1 {
                    // It gives up before it is first.
                    return;
                }
                place.is_first().await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                seen.lock().unwrap().push(n);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*seen.lock().unwrap(), [0, 2, 3]);
        drop(other);
        assert!(lines.lines().by_name.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_put_again_has_its_old_place() {
        let lines = PutLines::default();
        let [first, second, third] = [0; 3].map(|_| lines.take_place("t", "a"));
        first.leave();
        second.leave();
        third.is_first().await;
        // Both were lost, and are found in another order.
        second.shared().enter();
        first.shared().enter();
        let short = Duration::from_millis(10);
        first.is_first().await;
        for waits in [&second, &third] {
            assert!(tokio::time::timeout(short, waits.is_first()).await.is_err());
        }
        drop(first);
        second.is_first().await;
        assert!(tokio::time::timeout(short, third.is_first()).await.is_err());
        second.leave();
        third.is_first().await;
        drop((second, third));
        assert!(lines.lines().by_name.is_empty());
    }
}
