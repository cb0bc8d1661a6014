//! What can be wrong with a queue.

use crate::message::RejectedMessage;

/// Why a queue did not do what it was asked to do. The text is for administrators; it names the queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached, or did not answer in time. What was sent may or may not have been done; every call can be
    /// repeated with the same arguments.
    #[error("queue {queue}: {address} cannot be reached: {problem}")]
    Unreachable {
        /// The name of the queue.
        queue: String,
        /// Host and port, or the path of the socket.
        address: String,
        /// What happened.
        problem: String,
        /// It was asked and did not answer: it may have done what it was asked.
        asked: bool,
    },
    /// It refuses the user or the password, or the user lacks a permission.
    #[error("queue {queue}: {address} refuses access: {problem}; check `username`, `password` and its ACL")]
    Denied {
        /// The name of the queue.
        queue: String,
        /// Host and port, or the path of the socket.
        address: String,
        /// What it says.
        problem: String,
    },
    /// It is reachable, and its version or configuration makes it unfit.
    #[error("queue {queue}: {address} must not be used: {problem}")]
    Unfit {
        /// The name of the queue.
        queue: String,
        /// Host and port, or the path of the socket.
        address: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Its memory is full (`maxmemory`).
    #[error(
        "queue {queue}: {address} is out of memory: raise `maxmemory`, or wait until messages are finished"
    )]
    OutOfMemory {
        /// The name of the queue.
        queue: String,
        /// Host and port, or the path of the socket.
        address: String,
    },
    /// Workers of one topic disagree: some compete, and on others each node runs every message.
    #[error(
        "queue {queue}: topic {topic} is read with `mode: {mode}` by other workers; use another topic for the other mode"
    )]
    OtherMode {
        /// The name of the queue.
        queue: String,
        /// The topic.
        topic: String,
        /// The mode of the others.
        mode: String,
    },
    /// The message cannot be put as it is.
    #[error("queue {queue}: {problem}")]
    Invalid {
        /// The name of the queue.
        queue: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something in Redis is not signed as it must be.
    #[error("queue {queue}: {what}: {problem}")]
    Altered {
        /// The name of the queue.
        queue: String,
        /// What was read.
        what: String,
        /// Why it is not believed.
        problem: RejectedMessage,
    },
    /// An answer that is not understood.
    #[error("queue {queue}: unexpected response of {address}: {problem}")]
    Unexpected {
        /// The name of the queue.
        queue: String,
        /// Host and port, or the path of the socket.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl QueueError {
    /// Whether the same call may succeed later without anybody changing a configuration.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::OutOfMemory { .. })
    }

    /// Whether it may have been done all the same: the answer is missing, not the question.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        matches!(self, Self::Unreachable { asked: true, .. })
    }

    /// The same for a call that was not sent, since something before it failed.
    pub(crate) fn before_the_call(mut self) -> Self {
        if let Self::Unreachable { asked, .. } = &mut self {
            *asked = false;
        }
        self
    }
}
