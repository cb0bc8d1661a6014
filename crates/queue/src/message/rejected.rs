//! Why a message is not delivered.

/// Why something that was read from Redis is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectedMessage {
    /// No signature.
    #[error("unsigned: it was not put by a Herald of this queue")]
    Unsigned,
    /// Signed with another key, or not what was signed.
    #[error("signature mismatch: the keys in `sign` differ, or the message was altered")]
    Altered,
    /// Not a message.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Larger than is allowed.
    #[error("too large: {bytes} bytes, at most {} KiB are allowed", limit >> 10)]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Older than its `max_age`.
    #[error("too old: it was not started within its max_age")]
    TooOld,
}

/// Why a message became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeadReason {
    /// It is not believed.
    #[error("{0}")]
    Rejected(RejectedMessage),
    /// Its workers died or were lost too often.
    #[error("started {0} times without an end (max_deliveries)")]
    Deliveries(u32),
    /// It was requeued too often; the error of its last run.
    #[error("failed after {requeues} requeues (requeue.max): {last}")]
    Requeues {
        /// How often it was requeued.
        requeues: u32,
        /// The last error.
        last: String,
    },
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}
