//! Log lines that anybody can cause as often as they like: one a second, with how many there were.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Writes a line; it is given how many of the same kind came since the line before, besides this one.
type RepeatedLine = Box<dyn FnOnce(u64) + Send>;

/// Limits one kind of line. The first is written at once; of those that follow within a second, the last one at its
/// end.
#[derive(Clone, Default)]
pub struct RepeatedLog {
    second: Arc<Mutex<CurrentSecond>>,
}

#[derive(Default)]
struct CurrentSecond {
    until: Option<Instant>,
    last: Option<RepeatedLine>,
    count: u64,
}

impl std::fmt::Debug for RepeatedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepeatedLog")
    }
}

impl RepeatedLog {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes this line, now or at the end of the second. `line` is given how many others came.
    ///
    /// Call it inside a runtime.
    pub fn write(&self, line: impl FnOnce(u64) + Send + 'static) {
        let mut second = self.second();
        let now = Instant::now();
        if second.until.is_none_or(|until| until <= now && second.last.is_none()) {
            second.until = Some(now + EVERY);
            drop(second);
            return line(0);
        }
        second.count += 1;
        if second.last.replace(Box::new(line)).is_none() {
            let (log, until) = (self.clone(), second.until.unwrap_or(now));
            // Ends by itself, within a second.
            tokio::spawn(async move {
                sleep_until(until).await;
                log.end_second();
            });
        }
    }

    fn end_second(&self) {
        let mut second = self.second();
        let (last, count) = (second.last.take(), std::mem::take(&mut second.count));
        second.until = Some(Instant::now() + EVERY);
        drop(second);
        if let Some(line) = last {
            line(count.saturating_sub(1));
        }
    }

    fn second(&self) -> MutexGuard<'_, CurrentSecond> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_one_line_a_second_and_every_one_is_counted() {
        let (log, lines) = (RepeatedLog::new(), Arc::new(Mutex::new(Vec::new())));
        let write = |number: u32| {
            let lines = lines.clone();
            log.write(move |others| lines.lock().unwrap().push((number, others)));
        };
        (1..=1000).for_each(write);
        assert_eq!(*lines.lock().unwrap(), [(1, 0)]);
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert_eq!(*lines.lock().unwrap(), [(1, 0), (1000, 998)]);
        (1001..=1003).for_each(write);
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert_eq!(lines.lock().unwrap()[2..], [(1003, 2)]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        write(2000);
        assert_eq!(lines.lock().unwrap()[3..], [(2000, 0)]);
    }
}
