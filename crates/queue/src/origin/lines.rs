//! The order of puts: messages with one key are put one after another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(PartialEq, Eq, Hash, Clone)]
struct LineName {
    topic: String,
    key: String,
}

#[derive(Default)]
struct PutLine {
    /// The number that is first, and the one that the next place gets.
    first: u64,
    next: u64,
    /// Places that were left before they were first.
    left: Vec<u64>,
    moved: Arc<Notify>,
}

/// A line for each topic and key in which somebody waits.
#[derive(Default, Clone)]
pub(super) struct PutLines(Arc<Mutex<HashMap<LineName, PutLine>>>);

impl PutLines {
    /// The last place of this line.
    pub(super) fn take_place(&self, topic: &str, key: &str) -> PlaceInLine {
        let name = LineName { topic: topic.to_owned(), key: key.to_owned() };
        let mut lines = self.lines();
        let line = lines.entry(name.clone()).or_default();
        let number = line.next;
        line.next += 1;
        let moved = line.moved.clone();
        drop(lines);
        PlaceInLine { lines: self.clone(), name, number, moved }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<LineName, PutLine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line. Dropped, the next one is first.
pub struct PlaceInLine {
    lines: PutLines,
    name: LineName,
    number: u64,
    moved: Arc<Notify>,
}

impl PlaceInLine {
    /// Waits until it is first.
    pub async fn is_first(&self) {
        loop {
            let moved = self.moved.notified();
            if self.lines.lines().get(&self.name).is_none_or(|line| line.first == self.number) {
                return;
            }
            moved.await;
        }
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        let mut lines = self.lines.lines();
        let Some(line) = lines.get_mut(&self.name) else { return };
        line.left.push(self.number);
        while let Some(n) = line.left.iter().position(|left| *left == line.first) {
            line.left.swap_remove(n);
            line.first += 1;
        }
        if line.first == line.next {
            lines.remove(&self.name);
        }
        self.moved.notify_waiters();
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
        assert!(lines.lines().is_empty());
    }
}
