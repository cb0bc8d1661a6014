//! What is wrong with a cron line.

/// What is wrong with a cron line or a time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct CronError {
    /// The field or the part that it is in, with a colon; empty for the whole line.
    place: String,
    message: String,
}

impl CronError {
    /// In one sentence without a full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { place: String::new(), message: message.into() }
    }

    /// The same error, in this part of the line.
    pub(crate) fn within(self, place: &str) -> Self {
        Self { place: format!("{place}: {}", self.place), ..self }
    }
}
