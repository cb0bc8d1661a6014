//! What a message consists of.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// A message to put.
#[derive(Clone, PartialEq)]
pub struct NewMessage {
    /// Identifies it in its topic: of two with one id, only the first is put. At most 200 bytes.
    pub id: String,
    /// Its topic: 1 to 128 bytes, without spaces, braces and control characters.
    pub topic: String,
    /// Messages with one key run one at a time and in the order of their puts.
    pub key: Option<String>,
    /// What the worker gets.
    pub param: Value,
    /// Encrypt `param`: it holds secrets.
    pub seal: bool,
    /// The event that it comes from.
    pub event: String,
    /// How many jobs led to it.
    pub chain_depth: u32,
    /// The attempt of the job at the origin, from 1. Requeues count on from it.
    pub attempt: u32,
    /// How long nobody gets it.
    pub delay: Duration,
    /// How long it may wait; older it becomes a dead letter.
    pub max_age: Option<Duration>,
    /// How many unfinished messages its topic may hold.
    pub max_length: u64,
    /// How long its id is remembered after its end.
    pub marker_ttl: Duration,
    /// Send its end to the results of this node ([`crate::Queue::results`]).
    pub reply: bool,
    /// It was put before, or may have been, and [`crate::Queue::compare`] misses it. Nobody gets it for one lease, so
    /// that a worker that runs it can say so first.
    pub again: bool,
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// A message whose signature was verified.
#[derive(Clone, PartialEq)]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// Its key.
    pub key: Option<String>,
    /// When it was put first. Milliseconds since 1970, by the clock of its origin.
    pub made: i64,
    /// When it is too old. Milliseconds since 1970.
    pub not_after: Option<i64>,
    /// The node that put it.
    pub origin: String,
    /// The event at the origin.
    pub event: String,
    /// How many jobs led to it.
    pub chain_depth: u32,
    /// The attempt of the job at the origin, from 1.
    pub attempt: u32,
    /// Whether its origin wants its end.
    pub reply: bool,
    /// It was put again, since the queue did not know it any more, or it waited when another server took over: a worker
    /// that the queue forgot may have run it.
    pub put_again: bool,
    /// Whether `param` was encrypted: treat it as secret.
    pub sealed: bool,
    /// What to run it with.
    pub param: Value,
}

impl fmt::Debug for QueueMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMessage")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("key", &self.key)
            .field("origin", &self.origin)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
