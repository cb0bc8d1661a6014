//! Sends one mail: every step within the same deadline, and an error for each step that fails.

use std::error::Error as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use herald_base::os_error;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use tokio::time::Instant;

use crate::connection::{connect, one_line};
use crate::deadline::within;
use crate::error::{MailError, MailErrorKind, SmtpRefusal};
use crate::letter::Letter;
use crate::server::{MailLogin, MailServer};

/// How much of the content is prepared at once.
const PIECE: usize = 64 << 10;

/// A mail that the server has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// Its `Message-ID`.
    pub message_id: String,
    /// What the server answered to it.
    pub answer: String,
    /// Who gets it.
    pub recipients: Vec<String>,
}

/// Sends it to all recipients, or to none.
///
/// # Errors
/// [`MailError`] says what is wrong and what to do. Until the server has answered to the whole content, it is not
/// known whether it accepted it: the error says so.
pub async fn send(server: &MailServer, letter: Letter) -> Result<SentMail, MailError> {
    let written = tokio::task::spawn_blocking(move || WrittenMail::of(&letter)).await;
    let mail = written.map_err(|error| MailError::invalid(format!("the mail cannot be made: {error}")))??;
    let deadline = Instant::now() + server.timeout;
    let connection = connect(server, deadline).await?;
    let mut dialog = SmtpDialog { server, deadline, connection };
    let outcome = dialog.deliver(&mail).await;
    // The goodbye is written, and its answer not waited for: a mail that was sent would seem to be cancelled, and be
    // sent again, if its job is stopped meanwhile.
    let _ = dialog.connection.quit().now_or_never();
    outcome
}

/// A mail with its content as it goes over the wire.
struct WrittenMail {
    message: Message,
    content: Vec<u8>,
}

impl WrittenMail {
    /// Takes its time, with large attachments.
    fn of(letter: &Letter) -> Result<Self, MailError> {
        let message = letter.message()?;
        let content = message.formatted();
        Ok(Self { message, content })
    }
}

struct SmtpDialog<'a> {
    server: &'a MailServer,
    deadline: Instant,
    connection: AsyncSmtpConnection,
}

impl SmtpDialog<'_> {
    async fn deliver(&mut self, mail: &WrittenMail) -> Result<SentMail, MailError> {
        let (server, deadline) = (self.server, self.deadline);
        if let Some(login) = &server.login {
            self.log_in(login).await?;
        }
        let WrittenMail { message, content } = mail;
        let sender = message.envelope().from().cloned();
        let options = self.mail_options(message, content)?;
        let mail = self.connection.command(Mail::new(sender, options));
        let answered = within(server, deadline, "to accept the sender", mail).await?;
        answered.map_err(|error| self.failed("refused the sender", "check `from`", &error))?;
        self.name_recipients(message.envelope().to()).await?;
        let data = within(server, deadline, "to accept the mail", self.connection.command(Data)).await?;
        data.map_err(|error| self.failed("refused the mail", "ask its operator why", &error))?;
        let unknown = "to confirm the mail; it may have been sent";
        let sent =
            within(server, deadline, unknown, self.connection.message_iter(content.chunks(PIECE))).await?;
        let answer = sent.map_err(|error| match error.status() {
            Some(_) => self.failed("refused the mail", "ask its operator why", &error),
            None => {
                let what = format!(
                    "{}: the connection broke before the server confirmed the mail, which may have been sent: {}",
                    server.address(),
                    self.answer(&error)
                );
                MailError::new(kind(&error), what)
            }
        })?;
        let id = message.headers().get_raw("Message-ID").unwrap_or_default().to_owned();
        let text: Vec<&str> = answer.message().collect();
        Ok(SentMail {
            message_id: id,
            answer: one_line(&format!("{} {}", answer.code(), text.join(" "))),
            recipients: message.envelope().to().iter().map(ToString::to_string).collect(),
        })
    }

    async fn log_in(&mut self, login: &MailLogin) -> Result<(), MailError> {
        const KNOWN: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
        let (server, deadline) = (self.server, self.deadline);
        if self.connection.server_info().get_auth_mechanism(&KNOWN).is_none() {
            let what = format!(
                "{}: the server offers no login with a password (AUTH PLAIN or LOGIN); leave out `username` and \
                 `password`, or check `port` and `tls`",
                server.address()
            );
            return Err(MailError::new(MailErrorKind::Refused, what));
        }
        let credentials = Credentials::new(login.username.clone(), login.password.clone());
        let auth = self.connection.auth(&KNOWN, &credentials);
        let answered = within(server, deadline, "to accept the login", auth).await?;
        answered.map(drop).map_err(|error| {
            let what = format!("refused the login of \"{}\"", login.username);
            self.failed(&what, "check `username` and `password`", &error)
        })
    }

    /// What the server must be able to do for this mail.
    fn mail_options(&self, message: &Message, content: &[u8]) -> Result<Vec<MailParameter>, MailError> {
        let info = self.connection.server_info();
        let mut options = Vec::new();
        let envelope = message.envelope();
        let is_ascii = |address: &Address| address.to_string().is_ascii();
        if !envelope.to().iter().chain(envelope.from()).all(is_ascii) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let what = format!(
                    "{}: the server takes only addresses of ASCII characters (no SMTPUTF8)",
                    self.server.address()
                );
                return Err(MailError::new(MailErrorKind::Refused, what));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !content.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }

    /// All must be accepted. Every one is asked about, so that the error names all that are not.
    async fn name_recipients(&mut self, recipients: &[Address]) -> Result<(), MailError> {
        let mut refused: Vec<(&Address, SmtpError)> = Vec::new();
        for recipient in recipients {
            let asked = self.connection.command(Rcpt::new(recipient.clone(), Vec::new()));
            let answered = within(self.server, self.deadline, "to accept a recipient", asked).await?;
            match answered {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refused.push((recipient, error)),
                Err(error) => return Err(self.failed("refused a recipient", "check `to` and `cc`", &error)),
            }
        }
        let Some((_, first)) = refused.iter().find(|(_, error)| !error.is_transient()).or(refused.first())
        else {
            return Ok(());
        };
        let each: Vec<String> =
            refused.iter().map(|(address, error)| format!("{address} ({})", self.answer(error))).collect();
        let others =
            if recipients.len() > refused.len() { ", so the others did not get it either" } else { "" };
        let what = format!(
            "{} refused these recipients: {}; nothing was sent{others}; check `to` and `cc`; {}",
            self.server.address(),
            one_line(&each.join(", ")),
            later(first)
        );
        Err(MailError::new(kind(first), what))
    }

    fn failed(&self, what: &str, hint: &str, error: &SmtpError) -> MailError {
        let (address, answer) = (self.server.address(), self.answer(error));
        let message = match error.status() {
            Some(_) => format!("{address} {what}: {answer}; {hint}; {}", later(error)),
            None => format!("{address}: the connection broke, and nothing was sent: {answer}; try again"),
        };
        MailError::new(kind(error), message)
    }

    /// What the server said, in one line, without the password, which a server may repeat.
    fn answer(&self, error: &SmtpError) -> String {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        let mut text = match error.status() {
            Some(code) => format!("{code} {text}"),
            None => os_error::plain(&text),
        };
        if let Some(MailLogin { username, password }) = &self.server.login {
            let plain = STANDARD.encode(format!("\0{username}\0{password}"));
            for secret in [plain, STANDARD.encode(password), password.clone()] {
                if !secret.is_empty() {
                    text = text.replace(&secret, "***");
                }
            }
        }
        one_line(&text)
    }
}

fn kind(error: &SmtpError) -> MailErrorKind {
    SmtpRefusal::of_error(error).map_or(MailErrorKind::Unreachable, SmtpRefusal::kind)
}

/// Whether another attempt is worth it.
fn later(error: &SmtpError) -> &'static str {
    SmtpRefusal::of_error(error).unwrap_or(SmtpRefusal::Final).later()
}
