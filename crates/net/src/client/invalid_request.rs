//! What is wrong with a request that cannot be sent.

/// What is wrong with the parameters of a request. Values are not shown: they may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {why}")]
pub struct InvalidRequest {
    /// The parameter that it is about.
    pub parameter: String,
    /// One sentence without a full stop.
    pub why: String,
}

impl InvalidRequest {
    /// About this parameter.
    pub fn new(parameter: impl Into<String>, why: impl Into<String>) -> Self {
        Self { parameter: parameter.into(), why: why.into() }
    }
}
