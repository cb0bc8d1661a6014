//! The origin of messages: puts them in order, waits for their ends, and puts those again that the queue lost.

mod ends;
mod lines;
mod watch;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::QueueError;
use crate::message::{MessageEnd, NewMessage};
use crate::queue::{PutAnswer, Queue};
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
    Stopped,
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
        place: Option<PlaceInLine>,
        offline: WhenOffline,
        stop: &CancellationToken,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let put = async {
            if let Some(place) = &place {
                place.is_first().await;
            }
            let mut message = Cow::Borrowed(message);
            loop {
                match self.queue.put(&message).await {
                    Ok(PutAnswer::Accepted) => return Ok(Vec::new()),
                    Ok(PutAnswer::AlreadyKnown(known)) => return Ok(known.ends),
                    Ok(PutAnswer::Full { length }) => {
                        tracing::debug!(
                            topic = message.topic,
                            length,
                            "the topic is full: the message waits"
                        );
                    }
                    Err(error) if waits(&error, offline) => {
                        tracing::debug!("{error}; the message waits");
                        // A worker may have it already, and Redis may forget that before it is asked again.
                        if error.may_be_done() {
                            message.to_mut().again = true;
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        stop.run_until_cancelled(put).await.unwrap_or(Err(OriginError::Stopped))
    }

    /// The ends of a message that an earlier process put, as far as workers have reported them and nobody read them.
    /// Call it inside the runtime.
    pub async fn reported(&self, message: &NewMessage, stop: &CancellationToken) -> Vec<MessageEnd> {
        let mut awaited = self.ends.expect(&message.topic, &message.id);
        self.watch();
        let first = tokio::time::timeout(REPORTED, stop.run_until_cancelled(awaited.next()));
        match first.await {
            Ok(Some(Notice::Ended(end))) => vec![*end],
            _ => Vec::new(),
        }
    }

    /// Waits for the ends of a message that was put with [`NewMessage::reply`], and puts it again where the queue lost
    /// it. `ends` are those that are known; `is_enough` says whether others are to come. Call it inside the runtime.
    ///
    /// # Errors
    /// [`OriginError`].
    pub async fn ends(
        &self,
        message: &NewMessage,
        mut ends: Vec<MessageEnd>,
        is_enough: impl Fn(&[MessageEnd]) -> bool + Send,
        stop: &CancellationToken,
    ) -> Result<Vec<MessageEnd>, OriginError> {
        let mut awaited = self.ends.expect(&message.topic, &message.id);
        self.watch();
        while !is_enough(&ends) {
            let notice = stop.run_until_cancelled(awaited.next()).await.ok_or(OriginError::Stopped)?;
            match notice {
                Notice::Ended(end) => ends::add(&mut ends, *end),
                Notice::Missing => {
                    tracing::warn!(
                        queue = self.queue.name(),
                        topic = message.topic,
                        id = message.id,
                        "the queue lost the message: it is put again"
                    );
                    let again = NewMessage { again: true, ..message.clone() };
                    let known = self.put(&again, None, WhenOffline::Wait, stop).await?;
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
