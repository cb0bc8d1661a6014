//! Sends one mail through an SMTP server: over TLS or in the clear, with a login or without, with attachments from
//! named folders, and with an error that says what was refused.
//!
//! All recipients get the mail, or none: a server that refuses one of them gets no content.

mod attachment;
mod connection;
mod deadline;
mod error;
mod letter;
mod send;
mod server;

pub use attachment::{AttachedFile, AttachmentFolders, LARGEST_ATTACHMENTS, MOST_ATTACHMENTS};
pub use error::{MailError, MailErrorKind};
pub use letter::{Letter, check_address, recipients};
pub use send::{SentMail, send};
pub use server::{Encryption, MailLogin, MailServer, check_authorities};
