//! Why a mail was not sent: a sentence that says what to do.

use lettre::transport::smtp::Error as SmtpError;

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

/// Whether a server that answers with an error may change its mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SmtpRefusal {
    /// 4xx.
    ForNow,
    /// 5xx.
    Final,
}

impl SmtpRefusal {
    /// By the code that an answer begins with. `None`: it is not such an answer.
    pub(crate) fn of(answer: &str) -> Option<Self> {
        let code = answer.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
        let is_alone = !answer[3..].starts_with(|c: char| c.is_ascii_alphanumeric());
        match code.as_bytes()[0] {
            b'4' if is_alone => Some(Self::ForNow),
            b'5' if is_alone => Some(Self::Final),
            _ => None,
        }
    }

    /// By an error of a command. `None`: the server did not answer with one.
    pub(crate) fn of_error(error: &SmtpError) -> Option<Self> {
        if error.is_transient() { Some(Self::ForNow) } else { error.is_permanent().then_some(Self::Final) }
    }

    pub(crate) fn kind(self) -> MailErrorKind {
        match self {
            Self::ForNow => MailErrorKind::RefusedForNow,
            Self::Final => MailErrorKind::Refused,
        }
    }

    /// Whether another attempt is worth it.
    pub(crate) fn later(self) -> &'static str {
        match self {
            Self::ForNow => "that may pass (4xx), so another attempt can help (`policy.retry`)",
            Self::Final => "that is final (5xx): another attempt does not help",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_errors_are_known_by_their_codes() {
        for (answer, refusal) in [
            ("421 busy", Some(SmtpRefusal::ForNow)),
            ("421", Some(SmtpRefusal::ForNow)),
            ("554-no\r\n554 service", Some(SmtpRefusal::Final)),
            ("220 welcome", None),
            ("5000 bytes", None),
            ("50€", None),
            ("HTTP/1.1 400 Bad Request", None),
            ("", None),
        ] {
            assert_eq!(SmtpRefusal::of(answer), refusal, "{answer}");
        }
    }
}
