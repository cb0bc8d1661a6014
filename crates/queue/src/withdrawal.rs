//! A message is taken back by its origin.

/// The answer to a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// No worker had it, and none gets it any more, also where a put of it is still under way.
    Withdrawn,
    /// A worker has it, or had it, or it is over: nothing was changed.
    Taken,
}
