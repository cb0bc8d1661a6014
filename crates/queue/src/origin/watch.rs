//! Reads the ends that workers report to this node, and compares what is awaited with what the queue has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ends::{AwaitedEnds, MessageName, Notice};
use crate::inspect::{KnownMessage, MessageState};
use crate::message::MessageEnd;
use crate::queue::{Queue, QueueResult, ResultReader, ResultReceipt};

/// How often what is awaited is compared with the queue.
const COMPARE: Duration = Duration::from_secs(30);
/// How many messages are compared with one request.
const COMPARED: usize = 500;
/// How long an end that nobody awaits is kept: the job that it belongs to may be about to be recovered.
const UNCLAIMED: Duration = Duration::from_secs(60);
/// How many such ends are kept.
const MOST_UNCLAIMED: usize = 10_000;
/// How long to wait where nothing is awaited.
const IDLE: Duration = Duration::from_millis(200);

/// The task. Dropped, it ends.
pub(super) struct Watcher {
    _task: JoinSet<()>,
}

impl Watcher {
    pub(super) fn start(queue: &Arc<dyn Queue>, ends: &Arc<AwaitedEnds>) -> Self {
        let mut task = JoinSet::new();
        let watch = EndsWatch {
            queue: queue.clone(),
            ends: ends.clone(),
            topics: Vec::new(),
            reader: None,
            unclaimed: Vec::new(),
            compare_at: Instant::now(),
            connects: 0,
        };
        task.spawn(watch.run());
        Self { _task: task }
    }
}

/// An end that nobody awaited when it came.
struct UnclaimedEnd {
    end: MessageEnd,
    receipt: ResultReceipt,
    until: Instant,
}

struct EndsWatch {
    queue: Arc<dyn Queue>,
    ends: Arc<AwaitedEnds>,
    /// The topics of all messages that were awaited since the start.
    topics: Vec<String>,
    reader: Option<Box<dyn ResultReader>>,
    unclaimed: Vec<UnclaimedEnd>,
    compare_at: Instant,
    connects: u64,
}

impl EndsWatch {
    async fn run(mut self) {
        loop {
            self.follow_topics();
            self.claim().await;
            self.read().await;
            self.compare_if_due().await;
        }
    }

    /// There is one reader, for all topics.
    fn follow_topics(&mut self) {
        let awaited = self.ends.by_topic();
        let before = self.topics.len();
        for name in awaited {
            if !self.topics.contains(&name.topic) {
                self.topics.push(name.topic);
            }
        }
        if self.topics.len() > before {
            // The old one first: there is one at a time.
            self.reader = None;
            self.reader = match self.queue.results(&self.topics) {
                Ok(reader) => Some(reader),
                Err(error) => {
                    tracing::error!(queue = self.queue.name(), "the results cannot be read: {error}");
                    None
                }
            };
        }
    }

    async fn read(&mut self) {
        let Some(reader) = &self.reader else { return tokio::time::sleep(IDLE).await };
        match reader.next().await {
            Ok(results) => {
                let mut done = Vec::new();
                for QueueResult { end, receipt } in results {
                    let notice = Notice::Ended(Box::new(end.clone()));
                    if self.ends.notify(&end.topic, &end.id, notice) {
                        done.push(receipt);
                    } else if self.unclaimed.len() < MOST_UNCLAIMED {
                        self.unclaimed.push(UnclaimedEnd { end, receipt, until: Instant::now() + UNCLAIMED });
                    }
                }
                self.acknowledge(&done).await;
            }
            // The call has waited.
            Err(error) => tracing::debug!("{error}"),
        }
    }

    /// Ends that somebody awaits by now, and those that nobody is going to.
    async fn claim(&mut self) {
        let (now, ends) = (Instant::now(), self.ends.clone());
        let mut done = Vec::new();
        self.unclaimed.retain(|unclaimed| {
            let UnclaimedEnd { end, receipt, until } = unclaimed;
            let over =
                ends.notify(&end.topic, &end.id, Notice::Ended(Box::new(end.clone()))) || *until <= now;
            if over {
                done.push(receipt.clone());
            }
            !over
        });
        self.acknowledge(&done).await;
    }

    /// The end is kept with the message as well, so that a job whose end was not recorded finds it there.
    async fn acknowledge(&self, receipts: &[ResultReceipt]) {
        if let Some(reader) = self.reader.as_ref().filter(|_| !receipts.is_empty())
            && let Err(error) = reader.acknowledge(receipts).await
        {
            tracing::debug!("{error}");
        }
    }

    async fn compare_if_due(&mut self) {
        let status = self.queue.status();
        let is_due = Instant::now() >= self.compare_at || status.connects != self.connects;
        if !is_due || !status.connected {
            return;
        }
        let awaited = self.ends.by_topic();
        let (mut whole, mut missing) = (true, Vec::new());
        for of_topic in awaited.chunk_by(|one, other| one.topic == other.topic) {
            let ids: Vec<String> = of_topic.iter().map(|name| name.id.clone()).collect();
            for ids in ids.chunks(COMPARED) {
                whole &= self.compare(&of_topic[0].topic, ids, &mut missing).await;
            }
        }
        let lost = self.ends.notify_missing(&missing);
        if lost > 0 {
            let topics: BTreeSet<&str> = missing.iter().map(|name| &*name.topic).collect();
            let topics = topics.into_iter().collect::<Vec<_>>().join(", ");
            let queue = self.queue.name();
            tracing::warn!(queue, topics, "the queue lost messages, which are put again: {lost}");
        }
        if whole {
            (self.compare_at, self.connects) = (Instant::now() + COMPARE, status.connects);
        }
    }

    /// Returns whether the queue answered.
    async fn compare(&self, topic: &str, ids: &[String], missing: &mut Vec<MessageName>) -> bool {
        let known = match self.queue.compare(topic, ids).await {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!("{error}");
                return false;
            }
        };
        for KnownMessage { id, state, ends } in known {
            let is_missing = state == MessageState::Missing && ends.is_empty();
            for end in ends {
                self.ends.notify(topic, &id, Notice::Ended(Box::new(end)));
            }
            if is_missing {
                missing.push(MessageName { topic: topic.to_owned(), id });
            }
        }
        true
    }
}
