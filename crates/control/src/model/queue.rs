//! Queues between servers: their topics, messages and dead letters.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::actor::RecordedActor;

/// A queue, and its topics.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueResource {
    /// Its name in the configuration.
    pub name: String,
    /// The name of this node on it.
    pub node: String,
    /// Whether it can be used now.
    pub connected: bool,
    /// Since when it cannot be reached (RFC 3339); null while it can.
    pub unreachable_since: Option<String>,
    /// Why it cannot be used; null while it can.
    pub error: Option<String>,
    /// Its topics, by name; empty while it cannot be asked.
    pub topics: Vec<TopicResource>,
}

/// All queues.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueueList {
    /// The queues, by name.
    pub items: Vec<QueueResource>,
}

/// A topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Topic)]
pub struct TopicResource {
    /// Its name.
    pub topic: String,
    /// `compete` or `every`; null before the first worker.
    pub mode: Option<String>,
    /// Messages that a worker could get now, or that wait behind another one with their key.
    pub waiting: u64,
    /// Messages with a delay.
    pub delayed: u64,
    /// Messages that a worker has.
    pub unfinished: u64,
    /// The age of the oldest message, in seconds; null where there is none.
    pub oldest_seconds: Option<u64>,
    /// Leases that ended before their messages.
    pub redelivered: u64,
    /// Messages that ended.
    pub finished: u64,
    /// Dead letters.
    pub dead: u64,
    /// Whether workers get no messages of it.
    pub paused: bool,
    /// Its pause: since when, and who paused it. Null where it is not paused.
    #[serde(default)]
    pub pause: Option<TopicPauseResource>,
    /// The nodes that read it.
    pub nodes: Vec<TopicNodeResource>,
}

/// The pause of a topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = TopicPause)]
pub struct TopicPauseResource {
    /// Since when (RFC 3339); null where a version paused it that did not keep it.
    pub since: Option<String>,
    /// Who paused it, and why; null where that is not known, or not signed with a key of the queue.
    pub by: Option<RecordedActor>,
}

/// A node that reads a topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = TopicNode)]
pub struct TopicNodeResource {
    /// Its name.
    pub node: String,
    /// How long it was not seen, in seconds.
    pub idle_seconds: u64,
    /// Messages that it has.
    pub unfinished: u64,
    /// With `mode: every`, messages that it has not got yet.
    pub behind: u64,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = QueueMessage)]
pub struct MessageResource {
    /// Its id: that of the job that put it.
    pub id: String,
    /// The queue.
    pub queue: String,
    /// The topic.
    pub topic: String,
    /// `waiting`, `delayed`, `held`, `running`, `ended`, `dead` or `missing`.
    pub state: String,
    /// Why it is where it is, in a sentence.
    pub reason: String,
    /// Its key.
    pub key: Option<String>,
    /// The node that put it; null where the message is not in the queue any more.
    pub origin: Option<String>,
    /// The node that has it, or that ran it.
    pub node: Option<String>,
    /// How often it was started.
    pub deliveries: u32,
    /// From 1, and one more for each requeue.
    pub attempt: u32,
    /// When it was put (RFC 3339).
    pub put_at: Option<String>,
    /// What the workers get, secrets hidden; null where it is encrypted or not there any more.
    pub message: Option<Value>,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterResource {
    /// Its place among the dead letters of its topic.
    pub entry: String,
    /// The queue.
    pub queue: String,
    /// The topic.
    pub topic: String,
    /// The id of its message; empty where it has none.
    pub id: String,
    /// Why it is dead.
    pub reason: String,
    /// The node that found it.
    pub node: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Whether it can be requeued: what is not signed cannot.
    pub can_be_requeued: bool,
}

/// Messages that were requeued.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Requeued {
    /// How many.
    pub requeued: u64,
    /// How many were left, because they are not signed or gone.
    pub skipped: u64,
}

/// Whether a topic is paused now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TopicPaused {
    /// The topic.
    pub topic: String,
    /// Whether it is.
    pub paused: bool,
}

/// What was removed of a node that does not come back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ForgottenResource {
    /// The node.
    pub node: String,
    /// Topics that knew it.
    pub topics: u64,
    /// Messages that it had, released to others.
    pub released: u64,
    /// Messages that were kept for it alone.
    pub deleted: u64,
}
