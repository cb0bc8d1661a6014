//! What is wrong with a value of an option, before it is known where that is in the file.

use herald_base::unit::UnitError;
use serde_json::Value;

use super::check_error::CheckError;
use crate::problem::kind_of;

/// What is wrong with a value: which item of a list, what, and advice.
pub(super) struct ValueError {
    pub(super) index: Option<usize>,
    pub(super) error: CheckError,
    /// Whether the message may repeat the value.
    pub(super) shows: bool,
}

impl From<UnitError> for ValueError {
    fn from(error: UnitError) -> Self {
        CheckError::from(error).into()
    }
}

impl From<CheckError> for ValueError {
    fn from(error: CheckError) -> Self {
        Self { index: None, shows: !error.plain, error }
    }
}

impl ValueError {
    pub(super) fn expected(what: &str, found: &Value) -> Self {
        Self::says(format!("expected {what}, found {}", kind_of(found)))
    }

    pub(super) fn says(message: impl Into<String>) -> Self {
        Self { index: None, error: CheckError::new(message), shows: false }
    }

    pub(super) fn shows(message: impl Into<String>) -> Self {
        Self { shows: true, ..Self::says(message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.error.help = Some(help.into());
        self
    }
}
