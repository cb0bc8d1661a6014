//! Why a mail was not sent: a sentence that says what to do.

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MailError {
    /// What kind of error it is.
    pub kind: MailErrorKind,
    /// What is wrong, where, and what to do. Without the password.
    pub message: String,
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailErrorKind {
    /// The mail itself is not valid: an address, an attachment.
    Invalid,
    /// The server cannot be reached, or the connection broke.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// The server refused it, and may accept it later (4xx).
    RefusedForNow,
    /// The server refused it for good (5xx).
    Refused,
}

impl MailError {
    /// Of this kind.
    pub(crate) fn new(kind: MailErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The mail itself is not valid.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(MailErrorKind::Invalid, message)
    }
}
