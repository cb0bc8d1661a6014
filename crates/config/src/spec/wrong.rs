//! What is wrong with a value of an option, before it is known where that stands.

use herald_base::unit::UnitError;
use serde_json::Value;

use super::Complaint;
use crate::problem::kind_of;

/// What is wrong with a value: where below the option, what, and advice.
pub(super) struct Wrong {
    pub(super) index: Option<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Whether the message may repeat the value.
    pub(super) shows: bool,
    pub(super) excerpt: Option<String>,
    /// Whether nothing that a user wrote stands in the message.
    pub(super) plain: bool,
}

impl From<Complaint> for Wrong {
    fn from(complaint: Complaint) -> Self {
        let Complaint { message, help, excerpt, plain } = complaint;
        Self { shows: !plain, help, excerpt, plain, ..Self::says(message) }
    }
}

impl From<UnitError> for Wrong {
    fn from(error: UnitError) -> Self {
        Complaint::from(error).into()
    }
}

impl Wrong {
    pub(super) fn expected(what: &str, found: &Value) -> Self {
        Self::says(format!("expected {what}, found {}", kind_of(found)))
    }

    pub(super) fn says(message: impl Into<String>) -> Self {
        Self { index: None, message: message.into(), help: None, shows: false, excerpt: None, plain: false }
    }

    pub(super) fn shows(message: impl Into<String>) -> Self {
        Self { shows: true, ..Self::says(message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
