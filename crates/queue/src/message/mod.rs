//! Messages, and how their signed form in Redis is made and read.

mod content;
mod end;
mod envelope;
mod rejected;
mod signing;

pub use content::{NewMessage, QueueMessage};
pub use end::{EndStatus, MessageEnd, NewEnd};
pub use rejected::{DeadReason, RejectedMessage};
pub use signing::SigningKeys;

pub(crate) use end::{read_end, sign_end};
pub(crate) use envelope::{open, pack};
pub(crate) use signing::{Purpose, SignedBytes};
