//! What can be wrong with the settings of a queue.

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQueueSettings {
    /// `url`: what is wrong with it. The URL itself is not shown, because it may hold a password.
    #[error("url: {0}")]
    Url(&'static str),
    /// `sign`: what is wrong.
    #[error("sign: {0}")]
    Sign(&'static str),
    /// `tls`: what is wrong with which file.
    #[error("tls: {0}")]
    Tls(String),
    /// The name of this node.
    #[error("the name of this node must have 1 to 128 bytes, without `/`, spaces and control characters")]
    Node,
    /// The settings of a consumer.
    #[error("{0}")]
    Consumer(&'static str),
}

impl InvalidQueueSettings {
    /// What is wrong, without the name of the option that it is about.
    #[must_use]
    pub fn without_option(&self) -> String {
        match self {
            Self::Url(what) | Self::Sign(what) => (*what).to_owned(),
            Self::Tls(what) => what.clone(),
            other => other.to_string(),
        }
    }
}
