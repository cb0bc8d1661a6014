//! The origin of messages: puts them in order, waits for their ends, and puts those again that the queue lost.

mod ends;
mod lines;
mod watch;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::QueueError;
use crate::inspect::MessageState;
use crate::message::{MessageEnd, NewMessage};
use crate::queue::{PutAnswer, Queue};
use crate::withdrawal::Withdrawal;
use ends::{AwaitedEnds, Notice};
pub use lines::PlaceInLine;
use lines::PutLines;
use watch::Watcher;

/// How long a message waits before it is put again into a topic that was full, or a queue that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// How long the ends are looked for that were reported while this node was down.
const REPORTED: Duration = Duration::from_secs(3);

/// What happens to a message while the queue cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenOffline {
    /// It waits.
    Wait,
    /// It fails.
    Fail,
}

/// Why a message was not put, or its end is not known.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OriginError {
    /// The queue did not take it, and does not have it.
    #[error("{0}")]
    Queue(#[from] QueueError),
    /// It was asked to stop.
    #[error("stopped while the message waited")]
    Stopped {
        /// The queue may have the message.
        sent: bool,
    },
    /// It was withdrawn before any worker had it.
    #[error("withdrawn before a worker had it")]
    Withdrawn,
}

/// How a message is put, and put again where the queue lost it.
#[derive(Clone, Copy)]
pub struct PutPolicy<'a> {
    /// Its place among those with its key.
    pub place: Option<&'a PlaceInLine>,
    /// While the queue cannot be reached.
    pub offline: WhenOffline,
}

impl PutPolicy<'_> {
    /// Of a message without a key, which waits while the queue cannot be reached.
    pub const WAIT: Self = Self { place: None, offline: WhenOffline::Wait };
}

/// All that a node puts into one queue. Dropped, its tasks end.
pub struct QueueOrigin {
    queue: Arc<dyn Queue>,
    lines: PutLines,
    ends: Arc<AwaitedEnds>,
    watcher: Mutex<Option<Watcher>>,
}

impl QueueOrigin {
    /// Of this queue. Nothing is asked yet.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>) -> Self {
        Self { queue, lines: PutLines::default(), ends: Arc::default(), watcher: Mutex::default() }
    }

    /// A place in the line of a topic and key: messages with the same ones are put in the order of their places.
    /// Messages without a key need no place.
    #[must_use]
    pub fn line_up(&self, topic: &str, key: Option<&str>) -> Option<PlaceInLine> {
        key.map(|key| self.lines.take_place(topic, key))
    }

    /// Puts a message as soon as the queue takes it. Returns its ends where it is known and over already.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn put(
        &self,
        message: &NewMessage,
        policy: PutPolicy<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let sent = AtomicBool::new(message.again);
        let put = self.put_until_accepted(message, policy, &sent);
        let result = stop.run_until_cancelled(put).await;
        if let Some(place) = policy.place {
            place.leave();
        }
        result.unwrap_or_else(|| Err(OriginError::Stopped { sent: sent.load(Ordering::Relaxed) }))
    }

    /// `sent`: whether the queue may have it.
    async fn put_until_accepted(
        &self,
        message: &NewMessage,
        policy: PutPolicy<'_>,
        sent: &AtomicBool,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let mut message = Cow::Borrowed(message);
        loop {
            if let Some(place) = policy.place {
                place.is_first().await;
            }
            sent.store(true, Ordering::Relaxed);
            match self.queue.put(&message).await {
                Ok(PutAnswer::Accepted) => return Ok(Vec::new()),
                Ok(PutAnswer::AlreadyKnown(known)) if known.state == MessageState::Withdrawn => {
                    return Err(OriginError::Withdrawn);
                }
                Ok(PutAnswer::AlreadyKnown(known)) => return Ok(known.ends),
                Ok(PutAnswer::Full { length }) => {
                    let topic = &message.topic;
                    tracing::debug!(topic, length, "the topic is full: the message waits");
                }
                Err(error) if waits(&error, policy.offline) => {
                    tracing::debug!("{error}; the message waits");
                    // A worker may have it already, and Redis may forget that before it is asked again.
                    if error.may_be_done() {
                        message.to_mut().again = true;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            sent.store(message.again, Ordering::Relaxed);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes a message back that no worker has, for good: it will not be run, also where it is put again. Call it for a
    /// message of [`OriginError::Stopped`], or one whose end nobody awaits any more.
    ///
    /// # Errors
    /// The queue cannot be asked.
    pub async fn withdraw(&self, message: &NewMessage) -> Result<Withdrawal, QueueError> {
        self.queue.withdraw(&message.topic, &message.id, message.marker_ttl).await
    }

    /// The ends of a message that an earlier process put, as far as workers have reported them and nobody read them.
    /// Call it inside the runtime.
    pub async fn reported(&self, message: &NewMessage, stop: &CancellationToken) -> Vec<MessageEnd> {
        let mut awaited = self.ends.expect(&message.topic, &message.id, None);
        self.watch();
        let first = tokio::time::timeout(REPORTED, stop.run_until_cancelled(awaited.next()));
        match first.await {
            Ok(Some(Notice::Ended(end))) => vec![*end],
            _ => Vec::new(),
        }
    }

    /// Waits for the ends of a message that was put with [`NewMessage::reply`], and puts it again where the queue lost
    /// it: as `policy` says, and in the place that it had among those with its key. `ends` are those that are known;
    /// `is_enough` says whether others are to come. Call it inside the runtime.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn ends(
        &self,
        message: &NewMessage,
        mut ends: Vec<MessageEnd>,
        is_enough: impl Fn(&[MessageEnd]) -> bool + Send,
        policy: PutPolicy<'_>,
        stop: &CancellationToken,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let place = policy.place.map(|place| place.shared().clone());
        let mut awaited = self.ends.expect(&message.topic, &message.id, place);
        self.watch();
        while !is_enough(&ends) {
            let notice = stop.run_until_cancelled(awaited.next()).await;
            let notice = notice.ok_or(OriginError::Stopped { sent: true })?;
            match notice {
                Notice::Ended(end) => ends::add(&mut ends, *end),
                Notice::Missing => {
                    // One line for all of them is logged where they are found to be missing.
                    tracing::debug!(topic = message.topic, id = message.id, "put again");
                    let again = NewMessage { again: true, ..message.clone() };
                    let known = self.put(&again, policy, stop).await?;
                    known.into_iter().for_each(|end| ends::add(&mut ends, end));
                }
            }
        }
        Ok(ends)
    }

    /// Reads results and compares, from the first message on whose end is awaited.
    fn watch(&self) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.get_or_insert_with(|| Watcher::start(&self.queue, &self.ends));
    }
}

/// Whether the message waits after this error. What no time mends fails at once.
fn waits(error: &QueueError, offline: WhenOffline) -> bool {
    match error {
        QueueError::Invalid { .. } | QueueError::Altered { .. } | QueueError::OtherMode { .. } => false,
        QueueError::OutOfMemory { .. } => true,
        QueueError::Unreachable { .. }
        | QueueError::Denied { .. }
        | QueueError::Unfit { .. }
        | QueueError::Unexpected { .. } => offline == WhenOffline::Wait,
    }
}
