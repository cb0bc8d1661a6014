//! Requests as events: what is required of a request, the parameters of its event, and the response to it; and
//! listeners that several receivers share, each for its path.
//!
//! This is the work of the trigger `http`; where it listens and what its options mean is the daemon's matter.

mod answer;
mod check;
mod fixed;
mod head;
mod rejection;
mod result;
mod share;
mod submission;
mod web;

pub use answer::Answers;
pub use check::{AcceptedRequest, RequestBody, RequestCheck, SenderCheck};
pub use fixed::{Fixed, Words};
pub use head::RememberedKey;
pub use rejection::{RejectedRequest, RejectionLog};
pub use share::{HttpListener, Mounted, Mounts, hold, mount};
pub use submission::EventSubmissions;
pub use web::{Respond, Web};
