//! How each queue and its topics are, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTopic {
    queue: String,
    topic: String,
}

/// What is shown of one queue.
pub struct QueueSnapshot {
    /// Its name.
    pub queue: String,
    /// Whether it can be used.
    pub connected: bool,
    /// How long it cannot be reached, in seconds; 0 while it can.
    pub unreachable_seconds: u64,
    /// Its topics, as far as they are known.
    pub topics: Vec<TopicSnapshot>,
}

/// What is shown of one topic.
pub struct TopicSnapshot {
    /// Its name.
    pub topic: String,
    /// Messages that no worker has, delayed ones included.
    pub waiting: u64,
    /// Messages that a worker has.
    pub unfinished: u64,
    /// The age of the oldest message, in seconds; 0 where there is none.
    pub oldest_seconds: u64,
    /// Leases that ended before their messages.
    pub redelivered: u64,
    /// Dead letters.
    pub dead: u64,
}

/// How each queue and its topics are.
#[derive(Default)]
pub struct QueueMetrics {
    connected: Family<OfQueue, Gauge>,
    unreachable: Family<OfQueue, Gauge>,
    waiting: Family<OfTopic, Gauge>,
    unfinished: Family<OfTopic, Gauge>,
    oldest: Family<OfTopic, Gauge>,
    redelivered: Family<OfTopic, Gauge>,
    dead: Family<OfTopic, Gauge>,
}

impl QueueMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let what = "1 while a queue can be used";
        registry.register("queue_connected", what, self.connected.clone());
        let what = "How long a queue cannot be reached, in seconds; 0 while it can";
        registry.register("queue_unreachable_seconds", what, self.unreachable.clone());
        let what = "Messages of a topic that no worker has, delayed ones included";
        registry.register("queue_waiting", what, self.waiting.clone());
        let what = "Messages of a topic that a worker has";
        registry.register("queue_unfinished", what, self.unfinished.clone());
        let what = "The age of the oldest message of a topic, in seconds";
        registry.register("queue_oldest_seconds", what, self.oldest.clone());
        let what = "Leases of a topic that ended before their messages, since Redis knows the topic";
        registry.register("queue_redelivered", what, self.redelivered.clone());
        let what = "Dead letters of a topic";
        registry.register("queue_dead", what, self.dead.clone());
    }

    /// Shows how they are now.
    pub fn show(&self, queues: &[QueueSnapshot]) {
        // What is not there any more is not shown.
        [&self.connected, &self.unreachable].into_iter().for_each(Family::clear);
        let of_topics = [&self.waiting, &self.unfinished, &self.oldest, &self.redelivered, &self.dead];
        of_topics.into_iter().for_each(Family::clear);
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for queue in queues {
            let of = OfQueue { queue: queue.queue.clone() };
            self.connected.get_or_create(&of).set(i64::from(queue.connected));
            self.unreachable.get_or_create(&of).set(whole(queue.unreachable_seconds));
            for topic in &queue.topics {
                let of = OfTopic { queue: queue.queue.clone(), topic: topic.topic.clone() };
                self.waiting.get_or_create(&of).set(whole(topic.waiting));
                self.unfinished.get_or_create(&of).set(whole(topic.unfinished));
                self.oldest.get_or_create(&of).set(whole(topic.oldest_seconds));
                self.redelivered.get_or_create(&of).set(whole(topic.redelivered));
                self.dead.get_or_create(&of).set(whole(topic.dead));
            }
        }
    }
}
