//! How a worker works.

use std::time::Duration;

use crate::message::EndStatus;
use crate::queue::ConsumerSettings;

/// When a message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// When all its jobs have ended.
    Done,
    /// Once it is recorded here.
    Accepted,
}

/// Which ends another attempt follows on, by any worker.
#[derive(Debug, Clone, PartialEq)]
pub struct RequeuePolicy {
    /// On these. Empty: never.
    pub on: Vec<EndStatus>,
    /// How often at most; then it is a dead letter.
    pub max: u32,
    /// How long nobody gets it, the first time.
    pub delay: Duration,
    /// By how much that grows each time.
    pub backoff: f64,
}

impl RequeuePolicy {
    /// The longest delay.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

    /// The delay before the requeue that follows on this many.
    pub(super) fn delay_after(&self, requeues: u32) -> Duration {
        let factor = self.backoff.max(1.0).powi(i32::try_from(requeues).unwrap_or(i32::MAX));
        let seconds = (self.delay.as_secs_f64() * factor).min(Self::LONGEST.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(Self::LONGEST)
    }
}

/// How a worker works.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSettings {
    /// What it receives.
    pub consumer: ConsumerSettings,
    /// How many messages it has at once, at least 1.
    pub process: usize,
    /// When a message is acknowledged.
    pub ack: Acknowledge,
    /// Which ends another attempt follows on.
    pub requeue: RequeuePolicy,
}
