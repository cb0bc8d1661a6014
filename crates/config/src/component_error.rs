//! Why a component cannot be made.

/// Why a component could not be made or failed at its work: one sentence for people, without secrets.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ComponentError(pub String);

impl ComponentError {
    /// From anything that can be shown.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self(message.to_string())
    }
}
