//! The id of a runner, and which requests a runner accepts as its own: those that name this id in the signed header
//! [`TO`] (version 2.1).
//!
//! Several runners often share one secret. Without the id, a request that was captured on its way to one of them could
//! be sent to any other one.

use serde::{Deserialize, Serialize};

/// The header (signed) of a request that holds the id of the runner that the request is for.
pub const TO: &str = "herald-to";
/// The version without [`TO`], as the option `allow` of a runner names it.
pub const UNBOUND_VERSION: &str = "2.0";

/// The bytes of chance in an id.
const ID_BYTES: usize = 16;
/// How long an id may be.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;

/// The id of a runner: letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerId(String);

/// A text is not the id of a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a runner: it has 8 to 64 letters, digits and dashes")]
pub struct RunnerIdError;

impl RunnerId {
    /// A new one, different from all others.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunnerId {
    type Error = RunnerIdError;

    fn try_from(text: String) -> Result<Self, RunnerIdError> {
        let fine = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fine && LENGTHS.contains(&text.len()) { Ok(Self(text)) } else { Err(RunnerIdError) }
    }
}

impl From<RunnerId> for String {
    fn from(id: RunnerId) -> Self {
        id.0
    }
}

impl std::fmt::Display for RunnerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which requests are for a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientRule {
    /// The runner.
    pub id: RunnerId,
    /// Whether requests of version 2.0, which name no runner, are accepted too.
    pub allow_unbound: bool,
}

/// Why a request is not for a runner, though it is signed with a secret of the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// It names another runner.
    #[error("the request is signed for another runner: check host and port, and every proxy on the way")]
    Other,
    /// It names none.
    #[error("protocol version 2.0 is disabled (allow): the request does not name the runner that it is for")]
    Missing,
}

impl RecipientRule {
    /// Whether a request is for this runner; `to` is the runner that its signature names.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, to: Option<&str>) -> Result<(), RecipientError> {
        match to {
            Some(to) if to == self.id.as_str() => Ok(()),
            Some(_) => Err(RecipientError::Other),
            None if self.allow_unbound => Ok(()),
            None => Err(RecipientError::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_never_the_same() {
        for (text, fine) in [
            ("0123456789abcdef0123456789abcdef", true),
            ("web-1-of-berlin", true),
            ("1234567", false),
            ("", false),
            ("12345678 ", false),
            ("12345678\n", false),
            ("1234567\u{fc}", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            let id = RunnerId::try_from(text.to_owned());
            assert_eq!(id.is_ok(), fine, "{text:?}");
            assert_eq!(serde_json::from_value::<RunnerId>(text.into()).is_ok(), fine, "{text:?}");
        }
        let ids = [RunnerId::random().unwrap(), RunnerId::random().unwrap()];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(RunnerId::try_from(ids[0].to_string()), Ok(ids[0].clone()));
    }

    #[test]
    fn a_request_is_for_the_runner_that_it_names() {
        let id = |text: &str| RunnerId::try_from(text.to_owned()).unwrap();
        for (to, allow_unbound, expected) in [
            (Some("runner-a"), false, Ok(())),
            (Some("runner-b"), false, Err(RecipientError::Other)),
            (Some("runner-a, runner-b"), false, Err(RecipientError::Other)),
            (Some(""), true, Err(RecipientError::Other)),
            (Some("runner-b"), true, Err(RecipientError::Other)),
            (None, false, Err(RecipientError::Missing)),
            (None, true, Ok(())),
        ] {
            let rule = RecipientRule { id: id("runner-a"), allow_unbound };
            assert_eq!(rule.check(to), expected, "{to:?} {allow_unbound}");
        }
    }
}
