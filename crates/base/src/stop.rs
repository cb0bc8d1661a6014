//! The request to end a running job.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// Asks a running job to end, in two stages. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// End with a grace period: TERM, the grace, then KILL.
    pub asked: CancellationToken,
    /// End at once: KILL.
    pub forced: CancellationToken,
    /// The process itself is to end, and the grace of its jobs is over: what is on other machines is not waited for
    /// where they do not answer.
    pub shutdown: CancellationToken,
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether somebody asked, in either way.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled() || self.forced.is_cancelled()
    }

    /// Resolves once somebody asked, in either way.
    pub async fn asked(&self) {
        let mut asked = pin!(self.asked.cancelled());
        let mut forced = pin!(self.forced.cancelled());
        poll_fn(|context| {
            // Both are polled, so that both can wake the task.
            let ready = [asked.as_mut().poll(context), forced.as_mut().poll(context)];
            if ready.iter().any(Poll::is_ready) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn either_stage_counts() {
        type Ask = fn(&Stop);
        for ask in [(|stop| stop.asked.cancel()) as Ask, |stop| stop.forced.cancel()] {
            let stop = Stop::new();
            let other = stop.clone();
            let mut waiting = pin!(other.asked());
            let mut context = Context::from_waker(Waker::noop());
            assert!(!stop.is_asked() && waiting.as_mut().poll(&mut context).is_pending());
            ask(&stop);
            assert!(other.is_asked() && waiting.as_mut().poll(&mut context).is_ready());
        }
    }
}
