//! What a queue does: [`Queue`] for programs that put and look, [`QueueConsumer`] for a worker, [`ResultReader`] for an
//! origin that waits for results.
//!
//! Every call can be repeated with the same arguments after an error: what was done already is answered in the same
//! way. Futures may be dropped at any time; what a dropped [`QueueConsumer::receive`] took is returned by the next one.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::QueueError;
use crate::hold_answer::HoldAnswer;
use crate::inspect::{
    DeadLetter, Fitness, ForgottenNode, KnownMessage, MessageView, PausedBy, QueueStatus, TopicStatus,
};
use crate::invalid::InvalidQueueSettings;
use crate::message::{DeadReason, MessageEnd, NewEnd, NewMessage, QueueMessage};
use crate::pieces::PieceName;
use crate::withdrawal::Withdrawal;

/// The answer to a put.
#[derive(Debug, Clone, PartialEq)]
pub enum PutAnswer {
    /// It is in the queue, as safe as `durable` says.
    Accepted,
    /// Its id is known already; nothing was put.
    AlreadyKnown(KnownMessage),
    /// The topic holds `max_length` messages or more; nothing was put.
    Full {
        /// How many messages it holds.
        length: u64,
    },
}

/// A queue, seen from one node. It connects when it is first used, and again for ever.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// The name of this node.
    fn node(&self) -> &str;

    /// Whether it can be used. Asks nobody.
    fn status(&self) -> QueueStatus;

    /// Asks the server for its version and configuration.
    ///
    /// # Errors
    /// It cannot be reached or refuses access. That it is unfit is not an error here.
    async fn fitness(&self) -> Result<Fitness, QueueError>;

    /// Puts a message, unless its id is known or its topic is full.
    ///
    /// # Errors
    /// After an error that [`QueueError::is_temporary`], the message may be in the queue or not: put it again.
    async fn put(&self, message: &NewMessage) -> Result<PutAnswer, QueueError>;

    /// Takes a message back that no worker has. Its id is remembered for so long, so that it is not put again.
    ///
    /// # Errors
    /// The queue cannot be asked. It may have been withdrawn.
    async fn withdraw(&self, topic: &str, id: &str, remember: Duration) -> Result<Withdrawal, QueueError>;

    /// What the queue knows of these messages of a topic, in their order. For each, marker and entry are compared: one
    /// that has a marker only, and no worker with a living lease, is missing.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn compare(&self, topic: &str, ids: &[String]) -> Result<Vec<KnownMessage>, QueueError>;

    /// A worker that receives. Nothing is asked yet.
    ///
    /// # Errors
    /// The settings are not valid.
    fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn QueueConsumer>, InvalidQueueSettings>;

    /// Reads the ends of messages that this node put with [`NewMessage::reply`] to these topics. At most one reader
    /// for a topic at a time.
    ///
    /// # Errors
    /// A topic is not valid.
    fn results(&self, topics: &[String]) -> Result<Box<dyn ResultReader>, InvalidQueueSettings>;

    /// The topics that exist, by name.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn topics(&self) -> Result<Vec<String>, QueueError>;

    /// A topic for people and metrics.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn topic(&self, topic: &str) -> Result<TopicStatus, QueueError>;

    /// A message, in whichever topic it is; none where no topic knows it. Two topics can know one id.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn show(&self, id: &str) -> Result<Vec<MessageView>, QueueError>;

    /// Dead letters of a topic, oldest first: at most `limit`, after this entry.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn dead_letters(
        &self,
        topic: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError>;

    /// Puts a dead letter back, with its attempt raised by one and its deliveries at 0. False where it is gone.
    ///
    /// # Errors
    /// The queue cannot be asked, or the dead letter is not signed as it must be.
    async fn requeue_dead(&self, letter: &DeadLetter) -> Result<bool, QueueError>;

    /// Whether workers get messages of the topic: none while it is paused by somebody; what they have already, they
    /// finish. Holds for all workers, until it is set again or Redis is emptied.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn set_paused(&self, topic: &str, by: Option<&PausedBy>) -> Result<(), QueueError>;

    /// Removes what is kept for a node that does not come back: its place in topics with `mode: every`, its
    /// messages in others, its results. Not for a node that is running.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn forget(&self, node: &str) -> Result<ForgottenNode, QueueError>;

    /// Keeps a piece for so long. It is encrypted.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn put_piece(&self, name: &PieceName, piece: &[u8], keep: Duration) -> Result<(), QueueError>;

    /// A piece that is kept.
    ///
    /// # Errors
    /// The queue cannot be asked, or the piece was altered.
    async fn piece(&self, name: &PieceName) -> Result<Option<Vec<u8>>, QueueError>;

    /// Deletes pieces.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn delete_pieces(&self, names: &[PieceName]) -> Result<(), QueueError>;

    /// Appends to a plain list (`wire: list`), unless it has `max_length` items: its length, or none where it is full.
    ///
    /// # Errors
    /// The queue cannot be asked. Repeating the call can append twice.
    async fn list_push(&self, key: &str, item: &[u8], max_length: u64) -> Result<Option<u64>, QueueError>;

    /// Takes at most so many items from a plain list into a list of this consumer. Does not wait: call it once a
    /// second. The first call of a process returns what an earlier one took and did not remove.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn list_take(&self, key: &str, consumer: &str, places: usize) -> Result<Vec<ListItem>, QueueError>;

    /// Keeps an item that was taken, and that nobody understands, among the dead letters of the topic of this name. It
    /// is to be removed then.
    ///
    /// # Errors
    /// The queue cannot be asked. Repeating the call can keep it twice.
    async fn list_bury(&self, key: &str, item: &ListItem, reason: &DeadReason) -> Result<(), QueueError>;

    /// Removes an item that was taken, when it is recorded elsewhere.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn list_remove(&self, item: &ListItem) -> Result<(), QueueError>;
}

/// An item of a plain list. Not signed by anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListItem {
    /// The list that it was taken into.
    pub own_list: String,
    /// As it was pushed.
    pub item: Vec<u8>,
    /// It was taken by an earlier process, or by an earlier call that was cut.
    pub taken_before: bool,
}

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumeMode {
    /// One of all workers.
    Compete,
    /// Each node.
    Every {
        /// How long messages are kept for nodes that are away.
        retain: Duration,
        /// This node read the topic before, as its own records show. One that did not begins with the next message
        /// when it first connects; one that did gets everything that is there.
        seen_before: bool,
    },
}

/// What a worker wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// The trigger. With the name of the node it identifies the worker.
    pub name: String,
    /// Topics in the order of their priority; at least one.
    pub topics: Vec<String>,
    /// Who gets a message. All workers of a topic must agree.
    pub mode: ConsumeMode,
    /// How long a message is held without a renewal. At least 2 s; renew at a third of it.
    pub lease: Duration,
    /// A message that was started this often without an end becomes a dead letter.
    pub max_deliveries: u32,
    /// How long ids are remembered after the end. Used where the marker does not say it.
    pub marker_ttl: Duration,
    /// The first [`QueueConsumer::receive`] takes back at once what a worker of this name has: an earlier process of
    /// this node. False for the second consumer of one process, as after a reload.
    pub take_back: bool,
}

/// Proves that a worker has a message: no other delivery of it has the same token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryToken {
    /// The topic.
    pub topic: String,
    /// The message.
    pub id: String,
    /// Its place in the stream.
    pub(crate) entry: String,
    /// The lane of its key.
    pub(crate) lane: Option<u8>,
    /// Counts deliveries, also those without a start.
    pub(crate) delivery: u64,
    /// How often it was started before.
    pub(crate) starts: u32,
    /// The attempt.
    pub(crate) attempt: u32,
    /// Whether its origin wants its end.
    pub(crate) reply_to: Option<String>,
}

/// A worker that started a message and did not end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedBy {
    /// Its node.
    pub node: String,
    /// When. Milliseconds since 1970, by its clock.
    pub at: i64,
}

/// A message that this worker has now.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The message, verified.
    pub message: QueueMessage,
    /// For every statement about it.
    pub token: DeliveryToken,
    /// How often it was started, over all attempts. A start that follows counts one more.
    pub deliveries: u32,
    /// The attempt, from 1: that of the origin, and one more for each requeue.
    pub attempt: u32,
    /// A worker started this attempt, and its lease ended before the message did: report it as lost, or requeue it.
    pub started_by: Option<StartedBy>,
}

/// Messages that a node will never get (`mode: every`): they were deleted before it came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueGap {
    /// The topic.
    pub topic: String,
    /// How many.
    pub missed: u64,
}

/// What a worker received.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A message.
    Message(Box<Delivery>),
    /// A message that became a dead letter instead of being delivered: it is not believed, too old, or its deliveries
    /// are used up. Its origin is informed where it wanted that.
    Dead {
        /// The topic.
        topic: String,
        /// Its id; empty where it has none.
        id: String,
        /// Why.
        reason: DeadReason,
    },
    /// Messages that were missed.
    Gap(QueueGap),
}

/// A worker: receives messages and reports about them.
#[async_trait]
pub trait QueueConsumer: Send + Sync {
    /// Takes at most `places` messages, of the first topic that has some; waits up to a second for one. Returns nothing
    /// when none came: call it again. With 0 places it waits.
    ///
    /// # Errors
    /// The queue cannot be asked; the call waited a moment, so a loop around it does not spin.
    async fn receive(&self, places: usize) -> Result<Vec<Received>, QueueError>;

    /// For a worker without a free place, every half second: a server that took over is informed of what it has.
    /// Returns messages that were started elsewhere and whose lease has ended: their ends are to be reported, and they
    /// do not run again, so that nobody waits for a place to hear of it.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn look(&self) -> Result<Vec<Received>, QueueError>;

    /// Records that the message starts now. Start it only after [`HoldAnswer::Done`].
    ///
    /// # Errors
    /// The queue cannot be asked; it may have been recorded.
    async fn start(&self, token: &DeliveryToken) -> Result<HoldAnswer, QueueError>;

    /// Renews leases; the answers are in the order of the tokens. Call it at a third of the lease for everything
    /// received and not yet ended. A message that the queue forgot is known again after it.
    ///
    /// # Errors
    /// The queue cannot be asked. When a lease passed without a renewal, another worker may have the message.
    async fn renew(&self, tokens: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError>;

    /// Ends the message, and sends the end to its origin where that wants it.
    ///
    /// # Errors
    /// The queue cannot be asked, or the end is larger than 64 KiB.
    async fn done(&self, token: &DeliveryToken, end: &NewEnd) -> Result<HoldAnswer, QueueError>;

    /// Ends this attempt; the next one is delivered after the delay. Messages with the same key wait for it.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn requeue(&self, token: &DeliveryToken, delay: Duration) -> Result<HoldAnswer, QueueError>;

    /// Gives messages back that were not started: another worker gets them at once.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn release(&self, tokens: &[DeliveryToken]) -> Result<Vec<HoldAnswer>, QueueError>;

    /// Makes it a dead letter, and informs its origin where that wants it: the end is `dead`, its detail
    /// `{"error": REASON}`.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn dead(&self, token: &DeliveryToken, reason: &DeadReason) -> Result<HoldAnswer, QueueError>;

    /// Gives back what a dropped [`QueueConsumer::receive`] took and nobody got. After it, nothing is received.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn close(&self) -> Result<(), QueueError>;
}

/// Where a result is, to acknowledge it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultReceipt {
    /// The topic.
    pub topic: String,
    /// Its place in the stream of results.
    pub(crate) entry: String,
}

/// An end that was sent to this node.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueResult {
    /// The end, verified.
    pub end: MessageEnd,
    /// For [`ResultReader::acknowledge`].
    pub receipt: ResultReceipt,
}

/// Reads the ends of messages that this node put.
#[async_trait]
pub trait ResultReader: Send + Sync {
    /// The next ends; waits up to a second, and returns nothing when none came. Those that were not acknowledged come
    /// again after a restart, so one end can come twice.
    ///
    /// # Errors
    /// The queue cannot be asked; the call waited a moment.
    async fn next(&self) -> Result<Vec<QueueResult>, QueueError>;

    /// Deletes ends that are recorded.
    ///
    /// # Errors
    /// The queue cannot be asked.
    async fn acknowledge(&self, receipts: &[ResultReceipt]) -> Result<(), QueueError>;
}
