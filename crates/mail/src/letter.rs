//! What a mail says, and to whom: addresses are checked, and nothing in a text becomes a header.

use std::time::SystemTime;

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};

use crate::attachment::AttachedFile;
use crate::error::MailError;

/// The most recipients of a mail, of `to` and `cc` together.
const MOST_RECIPIENTS: usize = 100;
/// The longest subject, in characters; the rest is cut off.
const LONGEST_SUBJECT: usize = 250;
/// The longest body, in bytes; the rest is cut off.
const LONGEST_BODY: usize = 1 << 20;
/// The longest address that is shown in an error, in characters.
const LONGEST_SHOWN: usize = 100;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The sender, as `me@example.com` or `Me <me@example.com>`.
    pub from: String,
    /// The recipients: at least one.
    pub to: Vec<String>,
    /// Further recipients.
    pub cc: Vec<String>,
    /// One line; other whitespace and control characters become spaces.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What goes with it.
    pub attachments: Vec<AttachedFile>,
    /// Makes the `Message-ID`: the same for every attempt of a job.
    pub id: String,
    /// The name of this machine, for the `Message-ID`.
    pub own_name: String,
    /// When it is written.
    pub date: SystemTime,
}

/// The addresses of a text with commas between them; a comma within quotation marks belongs to a name.
#[must_use]
pub fn recipients(text: &str) -> Vec<String> {
    let (mut found, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            ',' if !quoted => {
                found.push(String::new());
                continue;
            }
            '"' => quoted = !quoted,
            _ => {}
        }
        if let Some(last) = found.last_mut() {
            last.push(c);
        }
    }
    let found = found.into_iter().map(|address| address.trim().to_owned());
    found.filter(|address| !address.is_empty()).collect()
}

/// Whether this is one address, with a name or without.
///
/// # Errors
/// A sentence with the address.
pub fn check_address(address: &str) -> Result<(), MailError> {
    mailbox("the address", address).map(drop)
}

fn mailbox(of: &str, address: &str) -> Result<Mailbox, MailError> {
    let shown: String =
        address.chars().take(LONGEST_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if address.chars().any(char::is_control) {
        let what = format!("{of} \"{shown}\" contains a line break or another control character");
        return Err(MailError::invalid(what));
    }
    address.trim().parse().map_err(|_| {
        MailError::invalid(format!(
            "{of} \"{shown}\" is not a valid address; write me@example.com or Me <me@example.com>"
        ))
    })
}

impl Letter {
    /// As it goes over the wire.
    pub(crate) fn message(&self) -> Result<Message, MailError> {
        let from = mailbox("from:", &self.from)?;
        let all = self.to.len() + self.cc.len();
        if self.to.is_empty() {
            return Err(MailError::invalid("to: there is no recipient; give at least one address"));
        }
        if all > MOST_RECIPIENTS {
            let what =
                format!("to, cc: {all} recipients, and a mail takes at most {MOST_RECIPIENTS}; use a list");
            return Err(MailError::invalid(what));
        }
        let id = format!("<{}@{}>", token(&self.id), token(&self.own_name));
        let mut builder = Message::builder()
            .from(from)
            .subject(subject(&self.subject))
            .message_id(Some(id))
            .date(self.date)
            // No vacation notice comes back.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for address in &self.to {
            builder = builder.to(mailbox("to:", address)?);
        }
        for address in &self.cc {
            builder = builder.cc(mailbox("cc:", address)?);
        }
        let text = SinglePart::plain(cut(&self.body));
        let made = if self.attachments.is_empty() {
            builder.singlepart(text)
        } else {
            let binary = ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
            let parts = self.attachments.iter().map(|AttachedFile { name, content }| {
                Attachment::new(name.clone()).body(content.clone(), binary.clone())
            });
            builder.multipart(parts.fold(MultiPart::mixed().singlepart(text), MultiPart::singlepart))
        };
        made.map_err(|error| MailError::invalid(format!("the mail cannot be made: {error}")))
    }
}

/// One line.
fn subject(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_control() || c.is_whitespace()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_SUBJECT) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

fn cut(body: &str) -> String {
    if body.len() <= LONGEST_BODY {
        return body.to_owned();
    }
    format!("{}\n… (the rest was cut off)\n", &body[..body.floor_char_boundary(LONGEST_BODY)])
}

/// What an id may hold.
fn token(text: &str) -> String {
    let kept: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    if kept.is_empty() { "herald".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: "Herald <herald@example.com>".to_owned(),
            to: vec!["ops@example.com".to_owned()],
            cc: Vec::new(),
            subject: "s".to_owned(),
            body: "b".to_owned(),
            attachments: Vec::new(),
            id: "0198-job".to_owned(),
            own_name: "web1.example.com".to_owned(),
            date: SystemTime::UNIX_EPOCH,
        }
    }

    fn text(letter: &Letter) -> String {
        String::from_utf8(letter.message().unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_text_of_addresses_is_a_list() {
        for (text, expected) in [
            ("a@x.org", &["a@x.org"][..]),
            (" a@x.org , b@x.org,", &["a@x.org", "b@x.org"]),
            ("\"Doe, Jane\" <jane@x.org>, b@x.org", &["\"Doe, Jane\" <jane@x.org>", "b@x.org"]),
            ("", &[]),
            (" , ", &[]),
        ] {
            assert_eq!(recipients(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_becomes_a_header_that_was_not_meant() {
        let injected = Letter {
            subject: "nightly\r\nBcc: victim@example.com\r\n\r\nbody\u{0}\t end".to_owned(),
            id: "x>\r\nBcc: v@example.com".to_owned(),
            attachments: vec![AttachedFile { name: "a\"b.txt".to_owned(), content: b"content".to_vec() }],
            ..letter()
        };
        let whole = text(&injected);
        assert!(whole.contains("Subject: nightly Bcc: victim@example.com body end\r\n"), "{whole}");
        assert!(!whole.contains("\r\nBcc:"), "{whole}");
        assert!(whole.contains("Message-ID: <xBccvexample.com@web1.example.com>\r\n"), "{whole}");
        for address in ["a@x.org\r\nBcc: b@x.org", "a@x.org\nRCPT TO:<b@x.org>", "a@x.org\0"] {
            for of_to in [true, false] {
                let list = vec![address.to_owned()];
                let bad =
                    if of_to { Letter { to: list, ..letter() } } else { Letter { cc: list, ..letter() } };
                let error = bad.message().unwrap_err();
                assert!(error.message.contains("control character"), "{error}");
            }
            assert!(check_address(address).is_err());
        }
    }

    #[test]
    fn what_is_not_valid_is_a_sentence() {
        let many = vec!["a@x.org".to_owned(); MOST_RECIPIENTS + 1];
        for (bad, says) in [
            (Letter { to: Vec::new(), ..letter() }, "to: there is no recipient"),
            (Letter { to: many, ..letter() }, "101 recipients, and a mail takes at most 100"),
            (Letter { to: vec!["ops".to_owned()], ..letter() }, "to: \"ops\" is not a valid address; write"),
            (Letter { from: "x y".to_owned(), ..letter() }, "from: \"x y\" is not a valid address"),
            (Letter { cc: vec!["a@x, b".to_owned()], ..letter() }, "cc: \"a@x, b\" is not a valid address"),
        ] {
            let error = bad.message().unwrap_err().message;
            assert!(error.starts_with(says) || error.contains(says), "{error}");
        }
    }

    #[test]
    fn texts_are_cut_and_encoded() {
        let long = Letter { subject: "x".repeat(300), body: "ä".repeat(LONGEST_BODY), ..letter() };
        assert_eq!(subject(&long.subject).chars().count(), LONGEST_SUBJECT + 1);
        assert!(cut(&long.body).len() < LONGEST_BODY + 50 && cut(&long.body).contains("cut off"));
        let whole =
            text(&Letter { subject: "Größe".to_owned(), body: "süß\n.\nend".to_owned(), ..letter() });
        assert!(whole.is_ascii() && whole.contains("Subject: =?utf-8?b?"), "{whole}");
        for part in ["Auto-Submitted: auto-generated\r\n", "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"] {
            assert!(whole.contains(part), "{part}: {whole}");
        }
    }
}
