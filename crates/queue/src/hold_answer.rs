//! What the queue answers to statements about messages.

/// The answer to a statement about a message that a worker has, or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldAnswer {
    /// The worker has it; the statement was recorded.
    Done,
    /// The worker lost it: it must stop what it runs. Nothing was recorded.
    Lost {
        /// The node that has it now; none where nobody has it, or where it ended.
        owner: Option<String>,
    },
    /// The queue does not know the message any more (it was emptied). The origin puts it again if it misses it.
    Gone,
}

impl HoldAnswer {
    /// Whether the statement was recorded.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self == Self::Done
    }
}
