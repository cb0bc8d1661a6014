//! How long the head of a request takes to arrive.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLimits {
    /// The first line; of the first request, since the connection is there.
    pub(super) first_line: Duration,
    /// The whole of it.
    pub(super) head: Duration,
}

/// How far the head has come that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadProgress {
    /// Nothing of it yet, on a connection that was of use before: it may be idle.
    Idle,
    /// Its first line is not whole.
    FirstLine { began: Instant },
    /// Its first line is.
    Lines { began: Instant },
}

/// Watches one connection.
pub(super) struct HeadClock {
    limits: HeadLimits,
    progress: HeadProgress,
    overdue: Option<Pin<Box<Sleep>>>,
}

impl HeadClock {
    /// For a connection that is there now.
    pub(super) fn new(limits: HeadLimits) -> Self {
        let progress = HeadProgress::FirstLine { began: Instant::now() };
        Self { limits, progress, overdue: None }
    }

    /// The head is whole: what comes next belongs to its request, or to another head.
    pub(super) fn reset(&mut self) {
        (self.progress, self.overdue) = (HeadProgress::Idle, None);
    }

    /// Whether something of a head has come, which is not known to be whole.
    pub(super) fn has_begun(&self) -> bool {
        self.progress != HeadProgress::Idle
    }

    /// These bytes have come.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let has_line = bytes.contains(&b'\n');
        let next = match self.progress {
            HeadProgress::Lines { .. } => return,
            HeadProgress::FirstLine { .. } if !has_line => return,
            HeadProgress::FirstLine { began } => HeadProgress::Lines { began },
            HeadProgress::Idle if has_line => HeadProgress::Lines { began: Instant::now() },
            HeadProgress::Idle => HeadProgress::FirstLine { began: Instant::now() },
        };
        (self.progress, self.overdue) = (next, None);
    }

    /// Fails once the head has taken too long. To be asked whenever nothing can be read.
    pub(super) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let until = match self.progress {
            HeadProgress::Idle => return Poll::Pending,
            HeadProgress::FirstLine { began } => began + self.limits.first_line.min(self.limits.head),
            HeadProgress::Lines { began } => began + self.limits.head,
        };
        let overdue = self.overdue.get_or_insert_with(|| Box::pin(sleep_until(until)));
        let late = || Error::new(ErrorKind::TimedOut, "the head of the request took too long to arrive");
        overdue.as_mut().poll(cx).map(|()| Err(late()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn overdue_after(clock: &mut HeadClock) -> Option<Duration> {
        let began = Instant::now();
        let overdue = std::future::poll_fn(|cx| clock.poll_overdue(cx));
        let failed = tokio::time::timeout(Duration::from_secs(60), overdue).await.ok()?;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::TimedOut);
        Some(began.elapsed())
    }

    fn clock() -> HeadClock {
        HeadClock::new(HeadLimits { first_line: Duration::from_secs(5), head: Duration::from_secs(10) })
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_line_and_the_whole_head_have_their_time() {
        assert_eq!(overdue_after(&mut clock()).await, Some(Duration::from_secs(5)), "nothing comes");
        let mut slow = clock();
        tokio::time::advance(Duration::from_secs(4)).await;
        slow.read(b"GET ");
        assert_eq!(overdue_after(&mut slow).await, Some(Duration::from_secs(1)), "byte by byte");
        let mut slow = clock();
        tokio::time::advance(Duration::from_secs(4)).await;
        slow.read(b"GET / HTTP/1.1\r\nHost:");
        tokio::time::advance(Duration::from_secs(4)).await;
        slow.read(b" x\r\n");
        assert_eq!(overdue_after(&mut slow).await, Some(Duration::from_secs(2)), "line by line");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_of_use_may_be_idle_until_its_next_head_begins() {
        let mut clock = clock();
        clock.read(b"GET / HTTP/1.1\r\n\r\n");
        clock.reset();
        assert_eq!(overdue_after(&mut clock).await, None);
        clock.read(b"G");
        assert_eq!(overdue_after(&mut clock).await, Some(Duration::from_secs(5)));
    }
}
