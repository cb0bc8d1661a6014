//! Which server sends the mails, and how it is spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use herald_net::tls::{ClientFiles, TlsError, is_loopback};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It begins in the clear and is encrypted before anything is sent; a server that cannot do that gets nothing.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    None,
}

impl Encryption {
    /// As a configuration names it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "starttls" => Some(Self::StartTls),
            "implicit" => Some(Self::Implicit),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Where the configuration does not say: what is sent to a server on this machine leaves it not.
    #[must_use]
    pub fn default_for(server: &str) -> Self {
        if is_loopback(server) { Self::None } else { Self::StartTls }
    }

    /// The usual port.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct MailLogin {
    /// The user.
    pub username: String,
    /// The password; never shown.
    pub password: String,
}

impl fmt::Debug for MailLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// An SMTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// A name or an IP address; the certificate must be for it.
    pub server: String,
    /// The port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The authorities that are trusted, as PEM, instead of those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Who logs in, if anybody does.
    pub login: Option<MailLogin>,
    /// For all of it: connection, login, content, answer.
    pub timeout: Duration,
    /// The name that this machine gives of itself.
    pub own_name: String,
}

impl MailServer {
    /// As errors name it: `mail.example.com:587`.
    #[must_use]
    pub fn address(&self) -> String {
        if self.server.contains(':') {
            format!("[{}]:{}", self.server, self.port)
        } else {
            format!("{}:{}", self.server, self.port)
        }
    }

    /// Whether a password is sent where others can read it.
    #[must_use]
    pub fn shows_password(&self) -> bool {
        self.login.is_some() && self.encryption == Encryption::None && !is_loopback(&self.server)
    }
}

/// Whether this file holds authorities that can be trusted. Blocks.
///
/// # Errors
/// What is wrong with it.
pub fn check_authorities(file: PathBuf) -> Result<(), TlsError> {
    ClientFiles { ca: Some(file), identity: None }.check()
}
