//! How a job ended, in one word.

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It did what it should.
    Succeeded,
    /// It ran and failed, or could not be run.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was stopped on demand.
    Cancelled,
    /// Nobody knows how it ended.
    Lost,
    /// It was refused before it ran: its chain is too deep, say.
    Rejected,
}

impl Status {
    /// The word for it in the API, logs and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all =
            [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Cancelled, Self::Lost, Self::Rejected];
        all.into_iter().find(|status| status.as_str() == word)
    }
}
