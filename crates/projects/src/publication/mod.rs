//! One publication, from the job to its outcome.

pub(crate) mod command;
mod confirm;
mod execute;
pub(crate) mod hold;
pub(crate) mod ledgers;
pub(crate) mod note;
mod recovering;
mod request;
pub(crate) mod result;
mod run;
mod settle;
pub(crate) mod target;
pub(crate) mod turn;
