//! What a queue says about itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{MessageEnd, QueueMessage, RejectedMessage};

/// Whether a queue can be used now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStatus {
    /// Whether it is reachable and fit.
    pub connected: bool,
    /// Since when it is unreachable, in milliseconds since 1970; none while it is reachable, and before the first try.
    pub unreachable_since: Option<i64>,
    /// The last problem, without the name of the queue.
    pub problem: Option<String>,
    /// Why it must not be used, though it is reachable.
    pub unfit: Option<String>,
    /// How often it was connected to; every number above the last one seen means that a comparison is due
    /// ([`crate::Queue::compare`]).
    pub connects: u64,
}

/// What was found out about the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fitness {
    /// Its version, `7.0.15`, and its kind, `redis` or `valkey`.
    pub version: String,
    /// `redis` or `valkey`.
    pub server: String,
    /// `appendonly`; none where it is unknown.
    pub appendonly: Option<bool>,
    /// `appendfsync`; none where it is unknown.
    pub appendfsync: Option<String>,
    /// `maxmemory-policy`; none where it is unknown.
    pub maxmemory_policy: Option<String>,
    /// How many replicas are connected.
    pub replicas: Option<u64>,
    /// Differs for each start of each server; empty where it is unknown.
    pub run_id: String,
    /// Whether it is one of a cluster.
    pub is_cluster: bool,
    /// What follows from it, errors first.
    pub findings: Vec<FitnessFinding>,
}

impl Fitness {
    /// Why it must not be used: the first error.
    #[must_use]
    pub fn unfit(&self) -> Option<&str> {
        self.findings.iter().find(|finding| finding.is_error).map(|finding| finding.text.as_str())
    }
}

/// A sentence about the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitnessFinding {
    /// Whether the queue must not be used because of it. Otherwise it is a warning.
    pub is_error: bool,
    /// What is wrong, and what to do.
    pub text: String,
}

/// What the queue knows of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownMessage {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub state: MessageState,
    /// Its verified ends: at most one with `mode: compete`, at most one for each node with `mode: every`.
    pub ends: Vec<MessageEnd>,
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageState {
    /// Nowhere: it was never put, or Redis lost it, or it ended longer ago than its marker is kept.
    Missing,
    /// Nobody has it yet. With `mode: every`: not every node has finished it.
    Waiting,
    /// Nobody gets it before this time, in milliseconds since 1970 by the clock of Redis.
    Delayed(i64),
    /// A worker has it.
    Held {
        /// The node.
        node: String,
        /// Whether it was started.
        started: bool,
    },
    /// It ended.
    Ended,
    /// Its origin took it back before a worker had it.
    Withdrawn,
    /// It is a dead letter.
    Dead {
        /// Why.
        reason: String,
    },
}

/// A message for people.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageView {
    /// Its topic.
    pub topic: String,
    /// Where it is.
    pub known: KnownMessage,
    /// The message itself, while it is in Redis; or why it is not believed.
    pub message: Option<Result<QueueMessage, RejectedMessage>>,
    /// How often it was started.
    pub deliveries: u32,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When the lease of its worker ends, in milliseconds since 1970 by the clock of Redis.
    pub lease_until: Option<i64>,
    /// The lane of its key, and the message that holds it.
    pub lane: Option<u8>,
    /// The message before it that holds its lane.
    pub lane_held_by: Option<String>,
    /// Whether its topic is paused.
    pub paused: bool,
}

/// A topic for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicStatus {
    /// Its name.
    pub topic: String,
    /// `compete` or `every`; none before the first worker.
    pub mode: Option<String>,
    /// Messages that somebody could get now, or that wait behind another with their key. With `mode: every`: all
    /// that a node has not finished.
    pub waiting: u64,
    /// Messages with a delay.
    pub delayed: u64,
    /// Messages that a worker has.
    pub unfinished: u64,
    /// The age of the oldest of all.
    pub oldest: Option<Duration>,
    /// Leases that ended before their messages, since Redis knows the topic.
    pub redelivered: u64,
    /// Messages that ended, since Redis knows the topic.
    pub finished: u64,
    /// Dead letters.
    pub dead: u64,
    /// Its pause; none where it is not paused.
    pub pause: Option<TopicPause>,
    /// Nodes that read it, seen within the last days.
    pub nodes: Vec<NodeView>,
}

/// The pause of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPause {
    /// Since when, in milliseconds since 1970 by the clock of Redis; none where Redis does not know it.
    pub since: Option<i64>,
    /// Who paused it, and why; none where that is not signed as it must be.
    pub by: Option<PausedBy>,
}

/// Who paused a topic, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedBy {
    /// The name of the person or of the account.
    pub user: Option<String>,
    /// The way it came.
    pub via: String,
    /// The network address it came from.
    pub address: Option<String>,
    /// Why, in the person's own words.
    pub reason: Option<String>,
}

/// A node that reads a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// How long it was not seen.
    pub idle: Duration,
    /// Messages that it has; with `mode: compete` of the first thousand.
    pub unfinished: u64,
    /// Messages that it has not got yet. With `mode: every`.
    pub behind: u64,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Identifies it among the dead letters of its topic, oldest first.
    pub entry: String,
    /// Its topic.
    pub topic: String,
    /// The id that it had; empty where it had none.
    pub id: String,
    /// Why it is dead.
    pub reason: String,
    /// The node that said so.
    pub node: String,
    /// When. Milliseconds since 1970, by the clock of Redis.
    pub since: i64,
    /// The attempt that it had.
    pub(crate) attempt: u32,
    /// Its message, or why it is not believed. Only the first can be requeued.
    pub message: Result<QueueMessage, RejectedMessage>,
}

/// What [`crate::Queue::forget`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForgottenNode {
    /// Topics that knew the node.
    pub topics: u64,
    /// Messages that it had, released to others (`mode: compete`).
    pub released: u64,
    /// Messages that were kept for it alone, deleted (`mode: every`).
    pub deleted: u64,
}
