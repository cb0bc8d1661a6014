//! Notices that a runner has gone silent: it, its machine or a proxy hangs, and every connection looks as if it were
//! fine.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::RunnerConnection;

/// In how many parts of the time the runner is asked, at least once each.
const PARTS: u32 = 3;
/// How often it is asked while it is looked for once more.
const LAST_REQUESTS: u32 = 4;

/// Watches whether the runner of a job gives signed answers: to this job's requests, to those of others, or to the
/// status requests that are sent where there are none.
pub(super) struct SilenceWatch<'a> {
    connection: &'a RunnerConnection,
    /// How long none may come.
    silence: Duration,
    began: Instant,
}

impl<'a> SilenceWatch<'a> {
    /// From now on.
    pub(super) fn new(connection: &'a RunnerConnection, silence: Duration) -> Self {
        Self { connection, silence, began: Instant::now() }
    }

    /// The time between two requests, and for looking for the runner once more.
    pub(super) fn part(silence: Duration) -> Duration {
        silence / PARTS
    }

    /// Waits until no answer came for the whole time. Asks whenever a third of it has passed without one.
    pub(super) async fn silent(&self) {
        let part = Self::part(self.silence);
        let mut asked = self.began;
        loop {
            let last = self.connection.last_answer.since(self.began);
            let over = last + self.silence;
            let now = Instant::now();
            if now >= over {
                return;
            }
            let due = last.max(asked) + part;
            if now < due {
                tokio::time::sleep_until(due.min(over)).await;
                continue;
            }
            asked = now;
            // Its answer is noted where it is verified.
            let _ = tokio::time::timeout_at((now + part).min(over), self.connection.ask()).await;
        }
    }

    /// Whether an answer comes within another third of the time.
    pub(super) async fn ends_soon(&self) -> bool {
        let (from, limit) = (Instant::now(), Self::part(self.silence));
        let is_heard = || self.connection.last_answer.since(from) > from;
        while from.elapsed() < limit && !is_heard() {
            let next = Instant::now() + limit / LAST_REQUESTS;
            let _ = tokio::time::timeout_at(next, self.connection.ask()).await;
            if !is_heard() {
                tokio::time::sleep_until(next).await;
            }
        }
        is_heard()
    }
}
