//! Why a listener could not be opened.

use herald_base::os_error;

/// A listener could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct ListenError {
    /// Where: `127.0.0.1:8123`, or `the socket /run/herald.sock`.
    pub address: String,
    /// Why.
    pub reason: ListenReason,
}

/// What is wrong with an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", .help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct ListenReason {
    /// What is wrong.
    pub what: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl ListenReason {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn at(self, address: impl Into<String>) -> ListenError {
        ListenError { address: address.into(), reason: self }
    }

    /// What the operating system says, behind these words.
    pub(super) fn system(before: &str, error: &std::io::Error) -> Self {
        Self::new(format!("{before}{}", os_error::plain(&error.to_string())))
    }
}

impl From<std::io::Error> for ListenReason {
    fn from(error: std::io::Error) -> Self {
        Self::system("", &error)
    }
}
