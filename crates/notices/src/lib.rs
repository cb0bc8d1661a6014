//! Notices: mails about jobs, which ends of jobs are worth one, and what did not come in time. It is the work of the
//! executor `mail`, the selector `changed` and the trigger `expect`.

mod changed;
mod expect;
mod mail;

pub use changed::ChangedRouters;
pub use expect::ExpectedArrivals;
pub use mail::JobMailer;
