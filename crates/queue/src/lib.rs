//! A queue between servers, on Redis or Valkey: one server puts messages, workers on any number of machines run them,
//! each message once ([`ConsumeMode::Compete`]) or once on each machine ([`ConsumeMode::Every`]).
//!
//! A worker holds what it received for a lease that it renews. Every statement about a message carries a
//! [`DeliveryToken`], and a worker that lost its lease is refused: it can neither renew nor report a result. Messages,
//! results and markers are signed ([`SigningKeys`]), so access to Redis alone starts nothing.
//!
//! The crate knows no configurations, jobs or routers: [`Queue`] and [`QueueConsumer`] are what programs build on.

mod backoff;
mod error;
mod hold_answer;
mod inspect;
mod invalid;
mod message;
mod origin;
mod pieces;
mod queue;
mod redis;
mod settings;
mod withdrawal;
mod worker;

pub use error::QueueError;
pub use hold_answer::HoldAnswer;
pub use inspect::{
    DeadLetter, Fitness, FitnessFinding, ForgottenNode, KnownMessage, MessageState, MessageView, NodeView,
    PausedBy, QueueStatus, TopicPause, TopicStatus,
};
pub use invalid::InvalidQueueSettings;
pub use message::{
    DeadReason, EndStatus, MessageEnd, NewEnd, NewMessage, QueueMessage, RejectedMessage, SigningKeys,
};
pub use origin::{OriginError, PlaceInLine, PutPolicy, QueueOrigin, WhenOffline};
pub use pieces::{FilePieces, PieceName, RunnerReport};
pub use queue::{
    ConsumeMode, ConsumerSettings, Delivery, DeliveryToken, ListItem, PutAnswer, Queue, QueueConsumer,
    QueueGap, QueueResult, Received, ResultReader, ResultReceipt, StartedBy,
};
pub use redis::RedisQueue;
pub use settings::{Durability, QueueAddress, QueueSettings};
pub use withdrawal::Withdrawal;
pub use worker::{
    Acknowledge, MessageRunner, NotBegun, QueueWorker, RequeuePolicy, RunId, RunReport, WorkerSettings,
};
